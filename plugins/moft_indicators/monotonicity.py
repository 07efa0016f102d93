"""The indicator `monotonicity`: how often an objective rises with its weight."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

_EQUAL = 1e-6  # weights closer than this are equal, since grids are float32
_PARALLEL = 1e-5  # relative tolerance within which proportions are equal


class Monotonicity:
    """Share of pairs of points where the point with more weight on an objective has its larger value, mean over the objectives.

    1 means that every objective always rises with its weight, 0.5 that weights have no effect (equal values count half), and 0
    that steering is reversed. Dominated points count, since this measures steering, not quality. An objective without a pair
    is left out; a front without any pair has 1.

    With three objectives or more, w_j can rise while the proportions of the other weights change, and then value j may fall even
    on a perfect front. It cannot fall on the straight way to vertex j, where the others keep their proportions. Proof: let L be
    the losses at w, and L' those at v = (1-t) w + t e_j, each optimal for its weights, and d = L' - L. Then w.d >= 0 and
    v.d <= 0, so t d_j <= -(1-t) w.d <= 0. The default therefore uses pairs on these rays. A grid with all vertices has at least
    n - 1 of them for each objective. With two objectives, every pair is on a ray.

    Args:
        pairs: `rays`, or `all` pairs where w_j differs, for which a perfect front can be below 1 when m > 2.
    """

    name = "monotonicity"

    def __init__(self, *, pairs: Literal["rays", "all"] = "rays") -> None:
        which = "on the way to its vertex" if pairs == "rays" else "over all pairs of points"
        self.meaning = f"share of steps, {which}, where an objective rises with its weight; 1 is always, 0.5 is no steering"
        self._pairs = pairs

    def __call__(self, points: Tensor, weights: Tensor) -> float:
        shares = []
        for j in range(points.shape[1]):
            counts = self._pairs_of(weights.double(), j)  # [n, n], True where the row's weight is above the column's
            if counts.any():
                difference = (points[:, None, j] - points[None, :, j])[counts]  # [pairs]
                shares.append((difference > 0).double().mean() + 0.5 * (difference == 0).double().mean())
        return float(torch.stack(shares).mean()) if shares else 1.0

    def _pairs_of(self, weights: Tensor, j: int) -> Tensor:
        """`[n, n]` bool, the pairs of rows and columns that count for objective j."""
        rises = weights[:, None, j] > weights[None, :, j] + _EQUAL
        if self._pairs == "all":
            return rises
        rest = weights.clone()
        rest[:, j] = 0.0
        mass = rest.sum(1)  # [n]
        # on a ray to vertex j, the other weights are proportional: rest_a / mass_a = rest_b / mass_b, or all zero
        skew = rest.unsqueeze(1) * mass.view(1, -1, 1) - rest.unsqueeze(0) * mass.view(-1, 1, 1)  # [n, n, m]
        return rises & (skew.abs().amax(-1) <= _PARALLEL * mass.view(-1, 1) * mass)
