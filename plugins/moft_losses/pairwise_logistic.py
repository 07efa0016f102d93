"""The loss `pairwise-logistic`: the logistic loss of every pair that the labels order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt
from torch import Tensor
from torch.nn.functional import logsigmoid

from moft_losses.masked_softmax import logistic_derivatives, ordered_pairs, pair_mean, reward_differences, widened


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

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        differences = reward_differences(widened(rewards), mask)  # [..., list, list]
        costs = -logsigmoid(differences)
        if self.smoothing:
            costs = (1 - self.smoothing) * costs - self.smoothing * logsigmoid(-differences)
        return pair_mean(costs, ordered_pairs(labels, mask))

    def derivatives(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """In closed form."""
        rewards = widened(rewards)

        def pair_weights(rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
            """The first share of a pair counts for its order, the second one against it."""
            pairs = ordered_pairs(labels, mask)
            weights = pairs / pairs.sum((-2, -1), keepdim=True).clamp(min=1)
            return (1 - self.smoothing) * weights + self.smoothing * weights.transpose(-1, -2)

        return logistic_derivatives(rewards, labels, mask, pair_weights)
