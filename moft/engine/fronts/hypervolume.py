"""Which points of a front are dominated, and the hypervolume above a reference point."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from moft.errors import ShapeError

_EXACT_POINTS = {5: 4000, 6: 500}
"""By the number of objectives, the most points whose volume is computed exactly, in under a second. Fewer objectives have no
limit, and more are never exact: the time grows exponentially with them."""
_EXACT_SAMPLES = {4: 4000, 5: 400, 6: 120}
"""The same for a bootstrap of a thousand samples, in some seconds."""
_DIRECTIONS = 262_144  # of an approximated volume: errors well below one percent
_SAMPLE_DIRECTIONS = (1024, 16_384)  # fewest and most, of an approximated volume of one bootstrap sample
_SAMPLE_WORK = 1e10  # directions times points times objectives times samples: some seconds
_ERROR_DIRECTIONS = 4096  # random ones, which the standard error is estimated from


def nondominated(points: Tensor) -> Tensor:
    """`[n]` bool: True where no other point is at least as good on every objective and better on one.

    Equal points do not dominate each other. A point with a NaN is not on the front, and dominates no other.

    Args:
        points: `[n, m]`, larger is better.
    """
    if points.dim() != 2:
        raise ShapeError(f"points must be [n, m], got {list(points.shape)}.")
    worse_or_equal = (points.unsqueeze(1) <= points.unsqueeze(0)).all(-1)  # [n, n]
    worse_somewhere = (points.unsqueeze(1) < points.unsqueeze(0)).any(-1)  # [n, n]
    return ~(worse_or_equal & worse_somewhere).any(1) & ~points.isnan().any(1)


def hypervolume(points: Tensor, reference: Tensor) -> float:
    """Volume that a front dominates above a reference point; NaN when a point has a NaN.

    Args:
        points: `[n, m]`, larger is better. Dominated rows add nothing.
        reference: `[m]`, in the units of the objectives.

    Returns: zero when no point beats the reference on every objective. `hypervolume_method` says how it is computed.

    Raises:
        ShapeError: `points` and `reference` disagree on m.

    Source: Zitzler and Thiele 1998, section 4. Computed by moocore.
    """
    if points.dim() != 2 or reference.shape != points.shape[1:]:
        raise ShapeError(
            f"points must be [n, m] and the reference [m], got {list(points.shape)} and {list(reference.shape)}: "
            "they need the same m, one entry for each objective."
        )
    return volume_above(reference, None if is_exact(*points.shape) else _DIRECTIONS)(points)


def hypervolume_error(points: Tensor, reference: Tensor) -> float:
    """The standard error of `hypervolume` of these points: zero where that is exact, NaN where that is NaN.

    It is that of as many random directions. Those that are used are spread evenly, so the error is usually smaller.

    Args:
        points: `[n, m]`.
        reference: `[m]`.
    """
    volume = hypervolume(points, reference)
    if is_exact(*points.shape) or not volume > 0:
        return volume * 0.0
    gains = (points.detach().cpu().double() - reference.detach().cpu().double()).clamp(min=0)  # [n, m]
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(_ERROR_DIRECTIONS, gains.shape[1], generator=generator, dtype=torch.float64).abs()
    directions = directions / directions.norm(dim=1, keepdim=True)
    size = max(1, int(4e6 // gains.numel()))  # directions at a time
    reach = torch.cat([(gains / part.unsqueeze(1)).amin(2).amax(1) for part in directions.split(size)])  # [directions]
    shares = (reach / reach.max()) ** gains.shape[1]  # proportional to each direction's part of the volume
    return float(volume * shares.std() / shares.mean() / _DIRECTIONS**0.5)


def hypervolume_method(n: int, m: int, samples: int, error: float) -> str:
    """How the hypervolume of n points in m objectives is computed, in words, to be printed with the number.

    Args:
        n: points of a front.
        m: objectives.
        samples: of the bootstrap.
        error: standard error relative to the value, such as 0.001.
    """
    directions = sample_directions(n, m, samples)
    if not is_exact(n, m):
        about = f", standard error {error:.2g} of the value" if math.isfinite(error) else ""
        return f"approximate, from {_DIRECTIONS:,} directions ({directions:,} for each bootstrap sample){about}"
    return "exact" if directions is None else f"exact; its interval from {directions:,} directions for each bootstrap sample"


def is_exact(n: int, m: int) -> bool:
    """Whether the volume of n points in m objectives is computed exactly."""
    return n <= _most(_EXACT_POINTS, m) or not _can_approximate()


def sample_directions(n: int, m: int, samples: int) -> int | None:
    """The directions of the volume of one bootstrap sample: as many as keep the work of all samples bounded. None where exact."""
    if n <= _most(_EXACT_SAMPLES, m) or not _can_approximate():
        return None
    fewest, most = _SAMPLE_DIRECTIONS
    return int(min(most, max(fewest, _SAMPLE_WORK // (n * m * samples))))


def volume_above(reference: Tensor, directions: int | None) -> Callable[[Tensor], float]:
    """Computes the volume of any front above a reference point; larger is better.

    Args:
        reference: `[m]`.
        directions: of an approximation, the same for all fronts; None for the exact volume.
    """
    import moocore

    flipped = -reference.detach().cpu().double().numpy()  # moocore minimises: what is maximised changes its sign

    def compute(points: Tensor) -> float:
        if points.isnan().any():
            return math.nan
        if len(points) == 0:
            return 0.0
        costs = -points.detach().cpu().double().numpy()
        if directions is None:
            return float(moocore.hypervolume(costs, ref=flipped))
        return float(moocore.hv_approx(costs, ref=flipped, nsamples=directions, seed=0))

    return compute


def _most(limits: Mapping[int, int], m: int) -> float:
    """The most points for an exact volume."""
    return limits.get(m, math.inf if m < min(limits) else 0)


def _can_approximate() -> bool:
    import moocore

    return hasattr(moocore, "hv_approx")  # in later versions
