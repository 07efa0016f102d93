"""Which points of a front are dominated, and the hypervolume above a reference point."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from moft.errors import ShapeError

_EXACT_UP_TO = 6  # objectives; the exact volume grows exponentially with them


BOOTSTRAP_DIRECTIONS = 16_384
"""Of an approximated volume of one bootstrap sample."""
_DIRECTIONS = 262_144  # of an approximated volume: errors well below one percent


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
    return VolumeAbove(reference, _DIRECTIONS)(points)


def hypervolume_method(m: int) -> str:
    """How the hypervolume of m objectives is computed, in words, to be printed with the number."""
    if _is_exact(m):
        return "exact"
    return f"approximate, from {_DIRECTIONS:,} directions ({BOOTSTRAP_DIRECTIONS:,} for each bootstrap sample)"


class VolumeAbove:
    """The volume above one reference point, of any number of fronts; larger is better."""

    def __init__(self, reference: Tensor, directions: int) -> None:
        import moocore

        # moocore minimises: what is maximised changes its sign
        flipped = -reference.detach().cpu().double().numpy()
        self._compute: Any
        if _is_exact(len(flipped)):
            self._compute = lambda points: moocore.hypervolume(points, ref=flipped)
        else:
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
