"""Penalty boundary intersection: how far along a ray the losses lie, and how far off it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft.api import NonNegative
from moft_scalarizers.ideal_point import excess
from moft_scalarizers.loss_direction import Direction, unit_direction


@dataclass(frozen=True, kw_only=True)
class PenaltyBoundaryIntersection:
    """`d1 + theta d2`: along the ray from the reference point, and the distance from it, list by list.

    d1 is the length of L - ideal along the ray, d2 what is left across it. With theta large enough, the optimum is where the
    ray meets the front, on a concave stretch too; with theta zero only d1 counts, which is `linear` along the ray.

    As published the ray is w, and then a weight is a direction, not importance: the ray of a large w_j is where L_j is large,
    so that from some theta on an objective gets worse as its weight rises, as with the `cosine` penalty. The ray 1/w, our
    default, is where all w_j (L_j - ideal_j) are equal, the optimum of `tchebycheff`. There d1 counts the unimportant losses
    most, so it takes a theta well above zero; at a vertex, the other objectives keep about one part in theta of the gradient.
    Either way, look at the `monotonicity` of the front. It is not monotone in a single loss: on the good side of the ray a
    loss is drawn up, to it.

    An objective of which a list says nothing has the loss zero there, and the ray draws the others towards that: this scalarizer
    is for objectives that most lists are labelled with.

    Args:
        theta: how much the distance from the ray counts, >= 0. A larger one follows the ray more strictly and minimises less.
        direction: of the ray: `inverse` is 1/w, with weights below 0.01 counted as 0.01; `weights` is w.
        ideal: the reference point, one number for each objective, the loss that it could have at best; null for zeros. Losses are
            those that are trained on, after `method.balance`.

    Source: Zhang and Li 2007 (MOEA/D), section II-C, with its theta of 5. The ray 1/w is ours.
    """

    theta: NonNegative = 5.0
    direction: Direction = "inverse"
    ideal: list[float] | None = None

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        ray = unit_direction(weights, self.direction)  # [batch, m]
        above = excess(losses, self.ideal)
        along = (above * ray).sum(-1)
        across: Tensor = torch.linalg.vector_norm(above - along.unsqueeze(-1) * ray, dim=-1)  # on the ray, its gradient is zero
        return along + self.theta * across
