"""The loss `ipo`: for every pair that the labels order, the squared distance of the reward difference from a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from moft.api import Asks, ListContext, Positive
from moft_losses.masked_softmax import ordered_pairs, pair_mean, reward_differences, weighted_pairs, widened


@dataclass(frozen=True, kw_only=True)
class IPO:
    """Mean of `((r_i - r_j) - margin)^2` over the pairs with label i above label j.

    The paper's loss of a pair is `(h - 1/(2 tau))^2`, where h is the difference of the log-ratios. Rewards include beta,
    `r_i - r_j = beta h`, so that `((r_i - r_j) - margin)^2 = beta^2 (h - margin/beta)^2`. This is beta^2 times the paper's
    loss with `tau = beta / (2 margin)`; at the default margin, tau is beta. A list in which no label is above another costs
    zero. Memory grows with the square of the list length. Half precision is computed, and returned, in float32.

    Args:
        margin: target of the reward difference of every ordered pair, > 0. A larger value moves further from the base model.

    Source: Azar et al. 2023 (IPO), arXiv 2310.12036, equation 17; there for one pair, here the mean over a list's pairs.
    """

    margin: Positive = 0.5

    asks: ClassVar[Asks] = Asks(item_weights=True)

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        costs = (reward_differences(widened(rewards), mask) - self.margin).square()  # [..., list, list]
        return pair_mean(weighted_pairs(costs, context), ordered_pairs(labels, mask))
