"""The loss `lipo-lambda`: the logistic loss of every ordered pair, weighted by what swapping the two does to NDCG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from moft.api import Asks, ListContext
from moft_losses.masked_softmax import logistic_derivatives, reward_differences, weighted_pairs, widened, within_range


@dataclass(frozen=True, kw_only=True)
class LipoLambda:
    """Sum of `|change of NDCG| * log(1 + exp(-(r_i - r_j)))` over the pairs with label i above label j.

    The change is that of NDCG over the whole list when the two items are swapped in the ranking by the current rewards; it has no
    gradient itself. Equal rewards are ranked in a random order, and the mean change counts. Pairs at the top of the ranking and
    pairs with very different labels weigh most. A list in which no label is above another costs zero. Memory grows with the
    square of the list length. Half precision is computed, and returned, in float32.

    Args:
        gain: of a label, as in NDCG: `linear` is the label, `exp2` is 2^label - 1. The least gain of a list counts as zero.

    Source: Liu et al. 2024 (LiPO), arXiv 2402.01878, equation 9, with the normalisation of Burges et al. 2006 (LambdaRank).
    """

    gain: Literal["linear", "exp2"] = "linear"

    asks: ClassVar[Asks] = Asks(item_weights=True)

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        rewards = widened(rewards)
        costs = -logsigmoid(reward_differences(rewards, mask))
        return weighted_pairs(_pair_weights(*self._vectors(rewards, labels, mask)) * costs, context).sum((-2, -1))

    def derivatives(
        self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """In closed form; the change of NDCG is constant, as in the gradient of the loss."""
        rewards = widened(rewards)
        *vectors, within = self._vectors(rewards, labels, mask)
        are_equal = [within] if bool(within.any()) else []
        return logistic_derivatives(rewards, mask, context, [*vectors, *are_equal], _pair_weights)

    def _vectors(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`[..., list]` each, for `_pair_weights`."""
        gains = label_gains(labels.to(rewards.dtype), mask, self.gain)
        gains = within_range(gains, _ideal(gains))
        ideal = _ideal(gains)  # [...]
        gained = gains / torch.where(ideal > 0, ideal, 1.0).unsqueeze(-1)
        rows, columns = gained.masked_fill(~mask, -torch.inf), gained.masked_fill(~mask, torch.inf)
        return rows, columns, *_discounts(rewards.detach(), mask)


def _pair_weights(rows: Tensor, columns: Tensor, mean: Tensor, within: Tensor | None = None) -> Tensor:
    """`[..., list, list]`, what swapping the two items of an ordered pair does to NDCG; zero for other pairs.

    Equal rewards share a block of ranks. The mean difference of two blocks is that of their mean discounts; within a block it is
    the mean over its pairs of ranks.

    Args:
        rows: `[..., list]`, the share of each item in the ideal DCG; minus infinity for items that do not count.
        columns: the same, but infinity for these.
        mean: `[..., list]`, the mean discount of the item's block.
        within: `[..., list]`, the mean difference of two discounts of the item's block; None if no rewards are equal.
    """
    between = (mean.unsqueeze(-1) - mean.unsqueeze(-2)).abs_()  # [..., list, list], zero within a block alone
    changes = between if within is None else torch.where(between == 0, within.unsqueeze(-1), between)
    return (rows.unsqueeze(-1) - columns.unsqueeze(-2)).clamp_(min=0.0).mul_(changes)


def label_gains(labels: Tensor, mask: Tensor, gain: str) -> Tensor:
    """`[..., list]`, what each item adds to DCG, 0 for the least label of the list and for items that do not count."""
    least = labels.masked_fill(~mask, torch.inf).amin(-1, keepdim=True) if labels.shape[-1] else labels
    above = (labels - least).masked_fill(~mask, 0.0)
    halves = (labels / 2 - least / 2).masked_fill(~mask, 0.0)  # have the same NDCG; with 2^label only the largest count there
    above = torch.where(above.isinf().any(-1, keepdim=True), halves, above)
    if gain == "linear":
        return above
    largest = above.amax(-1, keepdim=True) if labels.shape[-1] else above
    return (above - largest).exp2() - (-largest).exp2()  # 2^label - 2^least, over 2^largest, which the ideal DCG takes out again


def _ideal(gains: Tensor) -> Tensor:
    """`[...]`, the DCG of the best order."""
    return (gains.sort(-1, descending=True).values * rank_discounts(gains)).sum(-1)


def rank_discounts(values: Tensor) -> Tensor:
    """`[list]`, the discount of each rank."""
    return 1 / torch.arange(2, values.shape[-1] + 2, dtype=values.dtype, device=values.device).log2()


def _discounts(rewards: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """`[..., list]` each: of the block of equal rewards of each item, the mean discount, and the mean difference of two."""
    hidden = rewards.masked_fill(~mask, -torch.inf)
    ascending, items = hidden.sort(-1).values, rewards.shape[-1]
    above = items - torch.searchsorted(ascending, hidden, right=True)  # [..., list], first rank of the item's block, from 0
    size = items - above - torch.searchsorted(ascending, hidden)
    discounts = rank_discounts(rewards.double())
    ranks = torch.arange(items, dtype=torch.float64, device=rewards.device)
    total, moment = (torch.cat([each.new_zeros(1), each.cumsum(0)]) for each in (discounts, discounts * ranks))
    inside = total[above + size] - total[above]  # the sum of the block's discounts
    spread = (size - 1) * inside - 2 * (moment[above + size] - moment[above] - above * inside)  # over its pairs of ranks
    within = (2 * spread / (size * (size - 1)).clamp(min=1)).to(rewards.dtype)
    return (inside / size).to(rewards.dtype), within.masked_fill(~mask | (size < 2), 0.0)
