"""The scalarizers `tchebycheff` and `smooth-tchebycheff`: the maximum, or a smooth maximum, of the weighted losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from moft_scalarizers.ideal_point import excess


@dataclass(frozen=True, kw_only=True)
class Tchebycheff:
    """`max_j w_j (L_j - ideal_j)` for each list.

    A weight is an importance, as for `linear`: at an optimum on the front, the products are equal, so that a larger weight means
    a smaller loss. Every point of a front above the ideal point is the optimum of some weights, also on concave parts, which
    `linear` cannot reach. Only the largest product of a list has a gradient (equal ones share it); `smooth-tchebycheff` trains
    all objectives in each step.

    The maximum is over the losses of one list, not over their means. Losses are the ones that are trained on, after
    `method.balance`. The minimum of a cross entropy is not zero but the entropy of its targets, which differs between lists. With
    `ideal: null`, the objective with the flattest targets is therefore the maximum more often than its weight says.

    Args:
        ideal: the ideal point: the lowest possible loss of each objective, in their order; null for zeros. A loss below it
            cannot be the maximum while another loss is above.

    Source: Miettinen 1999, section 3.4 (weighted Tchebycheff metric), without its absolute value: a loss below the ideal point
    costs nothing.
    """

    ideal: list[float] | None = None

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        return (weights * excess(losses, self.ideal)).amax(-1)


@dataclass(frozen=True, kw_only=True)
class SmoothTchebycheff:
    """`mu log sum_j exp(w_j (L_j - ideal_j) / mu)` for each list: `tchebycheff` with a gradient for every objective.

    It exceeds the largest product by at most `mu log m`. Weights, lists and the ideal point are as for `tchebycheff`.

    Args:
        mu: smoothing, at least 1e-6, in units of a weighted loss. A smaller value is closer to `tchebycheff`; a larger one
            weights the products more equally, in the limit with the gradient of `linear` divided by m.
        ideal: the ideal point: the lowest possible loss of each objective, in their order; null for zeros.

    Source: Lin et al. 2024, arXiv 2402.19078, section 3, which tries several values of mu; 0.1 is our default.
    """

    mu: Annotated[float, Ge(1e-6)] = 0.1
    ideal: list[float] | None = None

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        products = weights * excess(losses, self.ideal)  # [batch, m]
        largest = products.detach().amax(-1, keepdim=True)  # subtracted to avoid overflow with a small mu
        return self.mu * torch.logsumexp((products - largest) / self.mu, dim=-1) + largest.squeeze(-1)
