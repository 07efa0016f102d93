"""The indicator `spacing`: how unevenly the points of a front are spaced."""

from __future__ import annotations

import torch
from torch import Tensor

from moft.api import nondominated


class Spacing:
    """Standard deviation of the distances to the nearest neighbour; smaller is more even, zero is perfectly even.

    Distances are sums of absolute differences, in the units of the objectives. Dominated points are left out, and equal points
    count once. With fewer than three points left, it is zero and has no meaning.

    Source: Schott 1995.
    """

    name = "spacing"
    meaning = "standard deviation of nearest-neighbour distances, in the objectives' units; smaller is more even"

    def __call__(self, points: Tensor, weights: Tensor) -> float:
        front = torch.unique(points[nondominated(points)], dim=0)  # [k, m]
        if len(front) < 3:
            return 0.0
        distances = torch.cdist(front.double(), front.double(), p=1)  # [k, k]
        nearest = distances.fill_diagonal_(float("inf")).amin(1)  # [k]
        return float(nearest.std())
