"""Linear scalarisation with a penalty on the angle between the losses and a direction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft.api import NonNegative
from moft_scalarizers.loss_direction import Direction, unit_direction


@dataclass(frozen=True, kw_only=True)
class CosinePenalty:
    """`sum_j w_j L_j - strength * cos(direction, L)`, row by row; the cosine of a row of zero losses is zero.

    With direction w the penalty is the published one, and it works against the sum it is added to: the sum lowers L_j
    where w_j is large, while the cosine is largest where L is parallel to w, that is where L_j is large with w_j. From some
    strength on, the front narrows to a point, and then turns over, so that an objective gets worse as its weight rises.
    Direction 1/w asks for what the sum does, low loss where the weight is high. Either way, look at the `monotonicity` of the
    front before trusting a strength above zero.

    Args:
        strength: how much the angle counts against the sum, >= 0. A larger value spreads the losses over the direction
            and weakens their minimisation; zero is `linear`.
        direction: `weights` is w, `inverse` is 1/w, with weights below 0.01 counted as 0.01.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, equation 18 (direction w); the penalty is that of Ruchte and Grabocka
    2021 (COSMOS), arXiv 2103.13392. The default strength of zero is not the papers', nor is the direction 1/w.
    """

    strength: NonNegative = 0.0
    direction: Direction = "weights"

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        linear = (weights * losses).sum(-1)
        length: Tensor = torch.linalg.vector_norm(losses, dim=-1)  # [batch]
        is_zero = length == 0
        along = (losses * unit_direction(weights, self.direction)).sum(-1)
        cosine = (along / length.masked_fill(is_zero, 1.0)).masked_fill(is_zero, 0.0)
        return linear - self.strength * cosine
