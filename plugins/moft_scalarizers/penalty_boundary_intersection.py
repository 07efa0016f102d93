"""The scalarizer `pbi`, penalty boundary intersection: the distance of the losses along a ray, and from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft.api import NonNegative
from moft_scalarizers.ideal_point import excess
from moft_scalarizers.loss_direction import Direction, unit_direction


@dataclass(frozen=True, kw_only=True)
class PenaltyBoundaryIntersection:
    """`d1 + theta d2` for each list: the distance from the ideal point along a ray, and the distance from the ray.

    d1 is the component of L - ideal along the ray, d2 the length of the rest. With theta large enough, the optimum is where the
    ray meets the front, also on a concave part. With theta 0, only d1 counts, which is `linear` with the ray as weights.

    In the published form, the ray is w, and a weight is a direction, not an importance: on the ray of a large w_j, L_j is large.
    With a large theta, an objective then gets worse as its weight rises, as with the `cosine` penalty. On the ray 1/w, our
    default, all w_j (L_j - ideal_j) are equal, as at the optimum of `tchebycheff`. Its d1 weights the unimportant losses most, so
    that theta must be well above zero; at a vertex, the other objectives keep about 1 / theta of the gradient. Check the
    `monotonicity` of the front in both cases. The scalarizer is not monotone in a single loss: a loss below the ray is raised
    towards it.

    An objective without labels in a list has loss zero there, and the ray pulls the others towards it. Use this scalarizer for
    objectives that most lists have labels for.

    Args:
        theta: factor on the distance from the ray, >= 0. A larger value follows the ray more strictly and minimises less.
        direction: of the ray: `inverse` is 1/w, where weights below 0.01 count as 0.01; `weights` is w.
        ideal: the ideal point: the lowest possible loss of each objective, in their order; null for zeros. Losses are the ones
            that are trained on, after `method.balance`.

    Source: Zhang and Li 2007 (MOEA/D), section II-C, with its theta of 5. The ray 1/w is ours.
    """

    theta: NonNegative = 5.0
    direction: Direction = "inverse"
    ideal: list[float] | None = None

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        ray = unit_direction(weights, self.direction)  # [batch, m]
        above = excess(losses, self.ideal)
        along = (above * ray).sum(-1)
        across: Tensor = torch.linalg.vector_norm(above - along.unsqueeze(-1) * ray, dim=-1)  # its gradient is zero on the ray
        return along + self.theta * across
