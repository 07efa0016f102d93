"""The loss `pairwise-logistic`: the logistic loss of every pair that the labels order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt
from torch import Tensor
from torch.nn.functional import logsigmoid

from moft.api import Asks, ListContext
from moft_losses.masked_softmax import logistic_derivatives, ordered_pairs, pair_mean, reward_differences, weighted_pairs, widened


@dataclass(frozen=True, kw_only=True)
class PairwiseLogistic:
    """Mean of `log(1 + exp(-(r_i - r_j)))` over the pairs with label i above label j.

    A list in which no label is above another costs zero. Memory grows with the square of the list length.
    Half precision is computed, and returned, in float32.

    Args:
        smoothing: the probability that the order of a pair is wrong, 0 to below 0.5; for one pair, it is the label smoothing of
            conservative DPO.

    Source: Burges et al. 2005 (RankNet), equation 3 with certain targets; for one pair it is DPO's loss.
    """

    smoothing: Annotated[float, Ge(0), Lt(0.5)] = 0.0

    asks: ClassVar[Asks] = Asks(item_weights=True)

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        differences = reward_differences(widened(rewards), mask)  # [..., list, list]
        costs = -logsigmoid(differences)
        if self.smoothing:
            costs = (1 - self.smoothing) * costs - self.smoothing * logsigmoid(-differences)
        return pair_mean(weighted_pairs(costs, context), ordered_pairs(labels, mask))

    def derivatives(
        self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """In closed form."""

        def pair_weights(labels: Tensor, mask: Tensor) -> Tensor:
            pairs = ordered_pairs(labels, mask)
            return pairs / pairs.sum((-2, -1), keepdim=True).clamp(min=1)

        wide = widened(rewards)
        cost, first, second = logistic_derivatives(wide, mask, context, (labels, mask), pair_weights)
        if self.smoothing:  # log(1 + exp(d)) = log(1 + exp(-d)) + d
            weights = weighted_pairs(pair_weights(labels, mask), context)
            cost = cost + self.smoothing * (weights * reward_differences(wide, mask)).sum((-2, -1))
            first = first + self.smoothing * (weights.sum(-1) - weights.sum(-2))
        return cost, first, second
