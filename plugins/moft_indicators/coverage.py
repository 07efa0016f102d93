"""How wide a front is."""

from __future__ import annotations

from torch import Tensor

from moft.api import nondominated


class Coverage:
    """Largest minus smallest value over the non-dominated points, mean over the objectives; larger is wider.

    It is in the objectives' units, so that an objective of a wide range counts for more, and runs compare only on equal
    objectives. A front of one point, or of none, covers zero.
    """

    name = "coverage"
    meaning = "width of the front, mean over objectives of largest minus smallest, in the objectives' units; larger is wider"

    def __call__(self, points: Tensor, weights: Tensor) -> float:
        front = points[nondominated(points)].double()  # [k, m]
        if len(front) == 0:
            return 0.0
        return float((front.amax(0) - front.amin(0)).mean())
