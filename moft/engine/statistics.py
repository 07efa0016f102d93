"""Statistics of a front: which points are on it, what it dominates, and how sure both are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from moft.errors import ConfigError, ShapeError

_EXACT_UP_TO = 6  # objectives; the exact volume grows exponentially with them
_DIRECTIONS = 262_144  # of an approximated volume: errors well below one percent
_BOOTSTRAP_DIRECTIONS = 16_384  # the same for one of a thousand samples
_CHUNK = 64  # samples whose counts are widened at a time


def nondominated(points: Tensor) -> Tensor:
    """`[n]` bool: True where no other point is at least as good on every objective and better on one.

    Equal points do not dominate each other. A point with a NaN is not on the front, and dominates nothing.

    Args:
        points: `[n, m]`, larger is better.
    """
    if points.dim() != 2:
        raise ShapeError(f"points must be [n, m], got {list(points.shape)}.")
    worse_or_equal = (points.unsqueeze(1) <= points.unsqueeze(0)).all(-1)  # [n, n]
    worse_somewhere = (points.unsqueeze(1) < points.unsqueeze(0)).any(-1)  # [n, n]
    return ~(worse_or_equal & worse_somewhere).any(1) & ~points.isnan().any(1)


def hypervolume(points: Tensor, reference: Tensor) -> float:
    """Volume that a front dominates above a reference point; NaN when a value of it is NaN.

    Args:
        points: `[n, m]`, larger is better. Dominated rows count for nothing.
        reference: `[m]`, in the units of the objectives.

    Returns: zero when no point beats the reference on every objective. `hypervolume_method` says how it is computed.

    Raises:
        ShapeError: `points` and `reference` disagree on m.

    Source: Zitzler and Thiele 1998, section 4. Computed by pymoo, which calls moocore.
    """
    if points.dim() != 2 or reference.shape != points.shape[1:]:
        raise ShapeError(
            f"points must be [n, m] and the reference [m], got {list(points.shape)} and {list(reference.shape)}: "
            "they need the same m, one entry for each objective."
        )
    return _Volume(reference, _DIRECTIONS)(points)


def hypervolume_method(m: int) -> str:
    """How the hypervolume of m objectives is computed, in words, to be printed with the number."""
    if _is_exact(m):
        return "exact"
    return f"approximate, from {_DIRECTIONS:,} directions ({_BOOTSTRAP_DIRECTIONS:,} for each bootstrap sample)"


def resampled(lists: int, samples: int, seed: int) -> Tensor:
    """How often each list counts in each bootstrap sample.

    Args:
        lists: number of lists, >= 1.
        samples: number of samples.
        seed: the same seed gives the same samples, so that two runs on the same lists can be compared pairwise.

    Returns: `[samples, lists]`, float32; each row sums to `lists`.

    Source: Efron 1979.
    """
    if lists < 1:
        raise ShapeError(f"a bootstrap needs at least one list, got {lists}.")
    generator = torch.Generator().manual_seed(seed)
    counts = torch.empty(samples, lists)
    for row in counts:
        row.copy_(torch.randint(lists, (lists,), generator=generator).bincount(minlength=lists))
    return counts


def bootstrap_means(values: Tensor, counts: Tensor) -> Tensor:
    """Means over the lists of each sample, leaving out what is NaN.

    Args:
        values: `[n, lists, m]`; NaN where a list says nothing of an objective.
        counts: `[samples, lists]`, from `resampled`.

    Returns: `[samples, n, m]`, float64; NaN where no list of a sample says anything.
    """
    if values.dim() != 3 or counts.dim() != 2 or values.shape[1] != counts.shape[1]:
        raise ShapeError(
            f"values must be [n, lists, m] and counts [samples, lists], got {list(values.shape)} and {list(counts.shape)}."
        )
    n, lists, m = values.shape
    flat = values.detach().cpu().double().transpose(0, 1).reshape(lists, n * m)  # [lists, n * m]
    says = ~flat.isnan()
    both = torch.cat([flat.nan_to_num(nan=0.0), says.double()], dim=1)  # [lists, 2 * n * m]
    parts = []
    for start in range(0, len(counts), _CHUNK):
        chunk = counts[start : start + _CHUNK].detach().cpu()
        total, weight = (chunk.double() @ both).chunk(2, dim=1)
        parts.append(total / weight)
    return torch.cat(parts).reshape(-1, n, m)


def interval(samples: Tensor, level: float = 0.95) -> Tensor:
    """Percentile interval of bootstrap samples.

    Args:
        samples: `[samples, ...]`; a NaN is left out.
        level: share of the samples inside, above 0 and below 1. A larger value gives a wider interval.

    Returns: `[..., 2]`, low and high; NaN where every sample is NaN.
    """
    if not 0 < level < 1:
        raise ConfigError(f"the level of an interval must be above 0 and below 1, got {level}.")
    tails = samples.new_tensor([(1 - level) / 2, (1 + level) / 2])
    return torch.nanquantile(samples, tails, dim=0).movedim(0, -1)


def bootstrap_hypervolume(values: Tensor, counts: Tensor, reference: Tensor) -> Tensor:
    """`[samples]`, float64: the hypervolume of the front of each sample; NaN where an objective has no list in it.

    Args:
        values: `[n, lists, m]`; NaN where a list says nothing of an objective.
        counts: `[samples, lists]`, from `resampled`.
        reference: `[m]`.
    """
    means = bootstrap_means(values, counts)
    if reference.shape != means.shape[2:]:
        raise ShapeError(
            f"the reference must have {means.shape[2]} entries, one for each objective, got {list(reference.shape)}."
        )
    volume = _Volume(reference, _BOOTSTRAP_DIRECTIONS)
    return torch.tensor([volume(points) for points in means], dtype=torch.float64)


class _Volume:
    """The volume above one reference point, of any number of fronts; larger is better."""

    def __init__(self, reference: Tensor, directions: int) -> None:
        # both libraries minimise: what is maximised changes its sign
        flipped = -reference.detach().cpu().double().numpy()
        self._compute: Any
        if _is_exact(len(flipped)):
            from pymoo.indicators.hv import HV

            self._compute = HV(ref_point=flipped)
        else:
            import moocore

            self._compute = lambda points: moocore.hv_approx(points, ref=flipped, nsamples=directions, seed=0)

    def __call__(self, points: Tensor) -> float:
        if points.isnan().any():
            return float("nan")
        if len(points) == 0:
            return 0.0
        return float(self._compute(-points.detach().cpu().double().numpy()))


def _is_exact(m: int) -> bool:
    """Whether m objectives are computed exactly: few enough, or the installed moocore cannot approximate."""
    if m <= _EXACT_UP_TO:
        return True
    import moocore

    return not hasattr(moocore, "hv_approx")
