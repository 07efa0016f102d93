"""Tchebycheff scalarisation: the largest weighted loss, plain and smooth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from moft_scalarizers.ideal_point import excess


@dataclass(frozen=True, kw_only=True)
class Tchebycheff:
    """`max_j w_j (L_j - ideal_j)`, list by list.

    A weight is importance, as for `linear`: at an optimum on the front the products are equal, so that a loss is the smaller
    the larger its weight. Every point of a front above the reference point is the optimum of some weights, also those of its
    concave stretches, which `linear` cannot reach. Only the largest product of a list has a gradient (equal ones share it);
    `smooth-tchebycheff` trains all objectives in each step.

    The maximum is over the losses of one list, not over their means. Losses are those that are trained on, after
    `method.balance`, and a cross entropy does not fall to zero but to the entropy of its targets, a different one for each list.
    With `ideal: null` the objective with the flattest targets is the largest more often than its weight says.

    Args:
        ideal: the reference point, one number for each objective, the loss that it could have at best; null for zeros. A loss
            below it cannot be the largest while another lies above.

    Source: Miettinen 1999, section 3.4 (weighted Tchebycheff metric), without its absolute value: a loss below the
    reference point is no cost.
    """

    ideal: list[float] | None = None

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        return (weights * excess(losses, self.ideal)).amax(-1)


@dataclass(frozen=True, kw_only=True)
class SmoothTchebycheff:
    """`mu log sum_j exp(w_j (L_j - ideal_j) / mu)`, list by list: `tchebycheff` with a gradient for every objective.

    It lies above the largest product by at most `mu log m`. What is said of weights, lists and the reference point at
    `tchebycheff` holds here too.

    Args:
        mu: smoothing, at least 1e-6, in units of a weighted loss. A smaller one is closer to `tchebycheff`; a larger one takes
            all products more alike, until the gradient is that of `linear` divided by m.
        ideal: the reference point, one number for each objective, the loss that it could have at best; null for zeros.

    Source: Lin et al. 2024, arXiv 2402.19078, section 3; of the values of mu it tries, 0.1 is our default.
    """

    mu: Annotated[float, Ge(1e-6)] = 0.1
    ideal: list[float] | None = None

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        products = weights * excess(losses, self.ideal)  # [batch, m]
        largest = products.detach().amax(-1, keepdim=True)  # taken out, so that a small mu overflows nothing
        return self.mu * torch.logsumexp((products - largest) / self.mu, dim=-1) + largest.squeeze(-1)
