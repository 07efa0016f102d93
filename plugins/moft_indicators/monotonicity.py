"""How often an objective rises with its weight."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

_EQUAL = 1e-6  # weights closer than this do not differ: grids are float32
_PARALLEL = 1e-5  # relative: proportions closer than this are kept


class Monotonicity:
    """Share of pairs of points in which the objective with more weight has the larger value, mean over the objectives.

    1 means that every objective always rises with its weight, 0.5 that weights do not matter (an equal value counts half), 0
    that steering is upside down. Dominated points count: this measures steering, not quality. An objective without a pair
    is left out, and a front without any is 1, since nothing speaks against it.

    With three objectives or more, w_j can rise while the other weights move among themselves, and then even a perfect front
    may lose value j. Only on the way straight to vertex j, where the others keep their proportions, is it certain: write
    L for the losses at w and L' at v = (1-t) w + t e_j, each optimal for its weights, and d = L' - L; then w.d >= 0 and
    v.d <= 0, so t d_j <= -(1-t) w.d <= 0. Hence the default takes pairs on such rays, of which a grid that holds the
    vertices has at least n - 1 for each objective. With two objectives every pair is one.

    Args:
        pairs: `rays`, or `all` pairs in which w_j differs, of which a perfect front may miss some when m > 2.
    """

    name = "monotonicity"

    def __init__(self, *, pairs: Literal["rays", "all"] = "rays") -> None:
        which = "on the way to its vertex" if pairs == "rays" else "over all pairs of points"
        self.meaning = f"share of steps, {which}, on which an objective rises with its weight; 1 is always, 0.5 is no steering"
        self._are = pairs

    def __call__(self, points: Tensor, weights: Tensor) -> float:
        shares = []
        for j in range(points.shape[1]):
            counts = self._pairs(weights.double(), j)  # [n, n], True where the row's weight is above the column's
            if counts.any():
                gap = (points[:, None, j] - points[None, :, j])[counts]  # [pairs]
                shares.append((gap > 0).double().mean() + 0.5 * (gap == 0).double().mean())
        return float(torch.stack(shares).mean()) if shares else 1.0

    def _pairs(self, weights: Tensor, j: int) -> Tensor:
        """`[n, n]` bool, the pairs of rows and columns that count for objective j."""
        rises = weights[:, None, j] > weights[None, :, j] + _EQUAL
        if self._are == "all":
            return rises
        rest = weights.clone()
        rest[:, j] = 0.0
        mass = rest.sum(1)  # [n]
        # on a ray to vertex j the rest shrinks in proportion: rest_a / mass_a = rest_b / mass_b, or nothing is left
        skew = rest.unsqueeze(1) * mass.view(1, -1, 1) - rest.unsqueeze(0) * mass.view(-1, 1, 1)  # [n, n, m]
        return rises & (skew.abs().amax(-1) <= _PARALLEL * mass.view(-1, 1) * mass)
