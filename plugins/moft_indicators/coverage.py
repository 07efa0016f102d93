"""The indicator `coverage`: the width of a front."""

from __future__ import annotations

from torch import Tensor

from moft.api import nondominated


class Coverage:
    """Largest minus smallest value over the non-dominated points, mean over the objectives; larger is wider.

    It is in the units of the objectives: an objective with a wide range counts more, and only runs with the same objectives can
    be compared. It is zero for a front of one point or none.
    """

    name = "coverage"
    meaning = "width of the front, mean over objectives of largest minus smallest, in the objectives' units; larger is wider"

    def __call__(self, points: Tensor, weights: Tensor) -> float:
        front = points[nondominated(points)].double()  # [k, m]
        if len(front) == 0:
            return 0.0
        return float((front.amax(0) - front.amin(0)).mean())
