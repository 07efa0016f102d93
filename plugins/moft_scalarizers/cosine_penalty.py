"""The scalarizer `cosine`: linear scalarisation with a penalty on the angle between the losses and a direction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft.api import NonNegative
from moft_scalarizers.loss_direction import Direction, unit_direction


@dataclass(frozen=True, kw_only=True)
class CosinePenalty:
    """`sum_j w_j L_j - strength * cos(direction, L)` for each list; the cosine is zero where all losses are zero.

    With direction w, the penalty is the published one, and it opposes the sum: the sum makes L_j small where w_j is large, but
    the cosine is largest where L is parallel to w, so where L_j is large as well. With a large strength, the front first
    narrows to a point and then reverses, so that an objective gets worse as its weight rises. Direction 1/w agrees with the sum:
    a low loss where the weight is high. Check the `monotonicity` of the front before you rely on a strength above zero.

    Args:
        strength: factor on the cosine, >= 0. A larger value aligns the losses more with the direction and minimises them less;
            0 is `linear`, so there is no default.
        direction: `weights` is w; `inverse` is 1/w, where weights below 0.01 count as 0.01.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, equation 18 (direction w); the penalty is that of Ruchte and Grabocka
    2021 (COSMOS), arXiv 2103.13392. The direction 1/w is not the papers'.
    """

    strength: NonNegative
    direction: Direction = "weights"

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        linear = (weights * losses).sum(-1)
        length: Tensor = torch.linalg.vector_norm(losses, dim=-1)  # [batch]
        is_zero = length == 0
        along = (losses * unit_direction(weights, self.direction)).sum(-1)
        cosine = (along / length.masked_fill(is_zero, 1.0)).masked_fill(is_zero, 0.0)
        return linear - self.strength * cosine
