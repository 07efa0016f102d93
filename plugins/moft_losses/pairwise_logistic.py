"""Pairwise logistic loss: the log loss of every pair that the labels order."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from moft_losses.lists import gaps, ordered_pairs, pair_mean, widened


@dataclass(frozen=True, kw_only=True)
class PairwiseLogistic:
    """Mean of `log(1 + exp(-(r_i - r_j)))` over the pairs with label i above label j.

    A list in which no label is above another costs zero. Memory grows with the square of the list.
    Half precision is computed, and returned, in float32.

    Source: Burges et al. 2005 (RankNet), equation 3 with certain targets; for one pair it is DPO's loss.
    """

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        costs = -logsigmoid(gaps(widened(rewards), mask))  # [..., list, list]
        return pair_mean(costs, ordered_pairs(labels, mask))
