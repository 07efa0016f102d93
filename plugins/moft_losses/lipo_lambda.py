"""The loss `lipo-lambda`: the logistic loss of every ordered pair, weighted by what swapping the two does to NDCG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from moft.api import Asks, Count, ListContext
from moft_losses.masked_softmax import BLOCK, reward_differences, sorted_values, weighted_pairs, widened, within_range

MATRICES = 5
"""Matrices of pairs that are in memory at once for the derivatives of a sum."""


@dataclass(frozen=True, kw_only=True)
class LipoLambda:
    """Sum of `|change of NDCG@k| * log(1 + exp(-(r_i - r_j)))` over the pairs with label i above label j.

    The change is that of NDCG when the two items are swapped in the ranking by the current rewards; it has no gradient itself.
    Equal rewards are ranked in a random order, and the mean change counts. Pairs at the top of the ranking and pairs with very
    different labels weigh most; pairs below the first k items weigh nothing. A list in which no label is above another costs
    zero. Memory grows with the square of the list length. Half precision is computed, and returned, in float32.

    Args:
        gain: of a label, as in NDCG: `linear` is the label, `exp2` is 2^label - 1. The least gain of a list counts as zero.
        k: items at the top of the ranking whose places count, as in NDCG@k; null for the whole list. A small k makes trees faster
            on long lists.

    Source: Liu et al. 2024 (LiPO), arXiv 2402.01878, equation 9, with the normalisation of Burges et al. 2006 (LambdaRank).
    """

    gain: Literal["linear", "exp2"] = "linear"
    k: Count | None = 30

    asks: ClassVar[Asks] = Asks(item_weights=True)

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        rewards = widened(rewards)
        costs = -logsigmoid(reward_differences(rewards, mask))
        return weighted_pairs(self._pair_weights(rewards, labels, mask) * costs, context).sum((-2, -1))

    def derivatives(
        self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """In closed form; the change of NDCG is constant, as in the gradient of the loss.

        Only pairs with an item among the first k are computed. What depends on rewards alone is computed once for all objectives
        where their rewards are equal, as they are with equal betas.
        """
        rewards = widened(rewards.detach())
        items = rewards.shape[-1]
        hidden = rewards.masked_fill(~mask, -torch.inf)
        is_shared = hidden.dim() > 1 and bool((hidden == hidden[..., :1, :]).all())
        shape = (-1, hidden.shape[-2] if is_shared else 1, items)  # [lists, objectives, list]
        hidden, gains = hidden.reshape(shape)[:, :1].contiguous(), self._shares_of_ideal(rewards, labels, mask).reshape(shape)
        ranked, order = hidden.sort(dim=-1, descending=True, stable=True)
        mean, within = self._mean_discounts(ranked, ranked.flip(-1))
        order = order.expand_as(gains)
        counts = None if context is None or context.item_weights is None else context.item_weights.expand_as(rewards)
        rows = [ranked, mean, within, gains.gather(-1, order)]
        rows += [] if counts is None else [counts.reshape(shape).gather(-1, order)]
        size = max(1, BLOCK // max(1, shape[1] * items * min(items, self.k or items)))
        parts = [_sorted_derivatives(*some) for some in zip(*(torch.split(each, size) for each in rows), strict=True)]
        cost, *found = (torch.cat(each) for each in zip(*parts, strict=True))
        first, second = (torch.empty_like(each).scatter_(-1, order, each).view_as(rewards) for each in found)
        return cost.view(rewards.shape[:-1]), first, second

    def sum_derivatives(self, rewards: Tensor, labels: Tensor, mask: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """In closed form. Of a pair, only the differences of gains are computed for each objective with a share."""
        rewards = widened(rewards.detach())
        items, m = rewards.shape[-1], shares.shape[-1]
        ranked, order = rewards.masked_fill(~mask, -torch.inf).sort(dim=-1, descending=True, stable=True)
        mean, within = self._mean_discounts(ranked, ranked.flip(-1))
        gains = self._shares_of_ideal(rewards, labels, mask.unsqueeze(-2)) * shares.unsqueeze(-1).to(rewards.dtype)
        gains = gains.gather(-1, order.unsqueeze(-2).expand_as(gains)).view(-1, m, items)
        is_zero = (shares == 0).view(-1, m)
        first_ones = is_zero.sort(dim=-1, stable=True).indices.unsqueeze(-1).expand_as(gains)
        gains, sizes = gains.gather(-2, first_ones), (~is_zero).sum(-1)
        places = sizes.argsort(stable=True)  # lists with as many shares are in one block
        cost, first, second = rewards.new_empty(len(places)), torch.empty_like(gains[:, 0]), torch.empty_like(gains[:, 0])
        rows, scratch = [each.reshape(-1, items) for each in (ranked, mean, within)], rewards.new_empty(0)
        for some in torch.split(places, max(1, BLOCK // max(1, items * min(items, self.k or items)))):
            ranks = tuple(each[some] for each in rows)
            top = int(((ranks[1] > 0) & (ranks[0] > -torch.inf)).sum(-1).amax()) if len(some) else 0
            needed = MATRICES * len(some) * top * items
            if len(scratch) < needed:
                scratch = rewards.new_empty(needed)
            matrices = scratch[:needed].view(MATRICES, len(some), top, items)
            differences = gains[some, : int(sizes[some].amax()) if len(some) else 0]
            cost[some], first[some], second[some] = _sorted_sum(ranks, differences, matrices)
        flat = order.reshape(-1, items)
        first, second = (torch.empty_like(each).scatter_(-1, flat, each).view_as(rewards) for each in (first, second))
        return cost.view(rewards.shape[:-1]), first, second

    def _pair_weights(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """`[..., list, list]`, what swapping the two items of an ordered pair does to NDCG; zero for other pairs."""
        gains = self._shares_of_ideal(rewards, labels, mask)
        rows, columns = gains.masked_fill(~mask, -torch.inf), gains.masked_fill(~mask, torch.inf)
        gains_above = (rows.unsqueeze(-1) - columns.unsqueeze(-2)).clamp_(min=0.0)  # [..., list, list]
        hidden = rewards.detach().masked_fill(~mask, -torch.inf)
        mean, within = self._mean_discounts(hidden, hidden.sort(-1).values)
        between = (mean.unsqueeze(-1) - mean.unsqueeze(-2)).abs_()  # [..., list, list], zero within a block, and below k
        return gains_above.mul_(torch.where(between == 0, within.unsqueeze(-1), between))

    def _shares_of_ideal(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """`[..., list]`, the gain of each item over the DCG of the best order."""
        gains = label_gains(labels.to(rewards.dtype), mask, self.gain)
        ideal = self._ideal(gains)  # [...]
        if not bool(ideal.isfinite().all()):
            gains = within_range(gains, ideal)
            ideal = self._ideal(gains)
        return gains / torch.where(ideal > 0, ideal, 1.0).unsqueeze(-1)

    def _ideal(self, gains: Tensor) -> Tensor:
        """`[...]`, the DCG of the best order."""
        return (sorted_values(gains).flip(-1) * self._discounts(gains)).sum(-1)

    def _discounts(self, values: Tensor) -> Tensor:
        discounts = rank_discounts(values)
        if self.k is not None:
            discounts[self.k :] = 0.0
        return discounts

    def _mean_discounts(self, hidden: Tensor, ascending: Tensor) -> tuple[Tensor, Tensor]:
        """`[..., list]` each: mean discount of an item, and mean difference to another one of equal reward; from sorted rewards.

        Equal rewards share a block of ranks. The mean difference of two blocks is that of their mean discounts; within a block it
        is the mean over its pairs of ranks.
        """
        items = hidden.shape[-1]
        above = items - torch.searchsorted(ascending, hidden, right=True)  # [..., list], first rank of the item's block, from 0
        size = items - above - torch.searchsorted(ascending, hidden)
        discounts = self._discounts(hidden.double())
        ranks = torch.arange(items, dtype=torch.float64, device=hidden.device)
        total, moment = (torch.cat([each.new_zeros(1), each.cumsum(0)]) for each in (discounts, discounts * ranks))
        inside = total[above + size] - total[above]  # the sum of the block's discounts
        spread = (size - 1) * inside - 2 * (moment[above + size] - moment[above] - above * inside)  # over its pairs of ranks
        between = torch.where(size > 1, 2 * spread / (size * (size - 1)).clamp(min=1), 0.0)
        return (inside / size).to(hidden.dtype), between.to(hidden.dtype)


def _sorted_derivatives(
    ranked: Tensor, mean: Tensor, within: Tensor, gains: Tensor, counts: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Cost `[lists, objectives]` and both derivatives `[lists, objectives, list]` of lists in the order of their rewards.

    Args:
        ranked: `[lists, 1, list]`, rewards; minus infinity for items that do not count.
        mean: `[lists, 1, list]`, mean discounts.
        within: `[lists, 1, list]`, mean difference of discounts to an item with the same reward.
        gains: `[lists, objectives, list]`, shares of the ideal DCG.
        counts: `[lists, objectives, list]`, weights of items; None where all count the same.
    """
    known = ranked > -torch.inf
    top = int(((mean > 0) & known).sum(-1).amax()) if len(ranked) else 0  # the first items, one of which each pair has
    ranked = ranked.masked_fill(~known, 0.0)
    later = torch.ones(top, ranked.shape[-1], device=ranked.device).triu(1) * known.unsqueeze(-2)  # [lists, 1, top, list]
    apart = (ranked[..., :top, None] - ranked.unsqueeze(-2)) * later  # 0 or more
    change = mean[..., :top, None] - mean.unsqueeze(-2) + (apart == 0) * within[..., :top, None]
    change = change * later
    surplus = gains[..., :top, None] - gains.unsqueeze(-2)  # [lists, objectives, top, list], negative: the later one is better
    signed = surplus * change
    if counts is not None:  # of the better item
        signed = signed * torch.where(surplus > 0, counts[..., :top, None], counts.unsqueeze(-2))
    cost = signed.abs() * softplus(-apart) + signed.neg().clamp_(min=0.0) * apart
    wrong = 0.5 - torch.copysign(apart.sigmoid() - 0.5, surplus)  # share of the pair's gradient
    slope = signed * wrong
    bend = slope.abs().mul_(1 - wrong)
    first, second = slope.sum(-2), bend.sum(-2)
    first[..., :top] -= slope.sum(-1)
    second[..., :top] += bend.sum(-1)
    return cost.sum((-2, -1)), first, second


def _sorted_sum(ranks: tuple[Tensor, ...], gains: Tensor, matrices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cost `[lists]` and both derivatives `[lists, list]` of a sum over objectives, of lists in the order of their rewards.

    Args:
        ranks: `[lists, list]` each: rewards, minus infinity for items that do not count; mean discounts; mean differences of
            discounts to an item with the same reward.
        gains: `[lists, objectives, list]`, shares of the ideal DCG, times the shares of the objectives.
        matrices: `[5, lists, top, list]`, memory to compute in; the first `top` items are those one of which each pair has.
    """
    ranked, mean, within = ranks
    apart, change, weight, surplus, other = matrices
    top = matrices.shape[2]
    known = ranked > -torch.inf
    _first_minus_each(ranked.masked_fill(~known, 0.0), apart).clamp_(min=0.0)
    _first_minus_each(mean, change)
    if within.any():
        change.addcmul_(torch.eq(apart, 0, out=other), within[:, :top, None])
    change *= torch.ones_like(change[0]).triu(1)
    if not known.all():
        change *= known.unsqueeze(-2)
    weight.zero_()
    for each in gains.unbind(-2):
        weight += _first_minus_each(each, other).abs_()
    weight *= change  # of the pair, whichever item is better
    _first_minus_each(gains.sum(-2), surplus).mul_(change).mul_(0.5)  # half of it for pairs in order, minus half for others
    right = torch.sigmoid(apart, out=change)
    apart *= 0.5
    torch.log(right, out=other).neg_().add_(apart)
    cost = other.mul_(weight).addcmul_(surplus, apart, value=-2).sum((-2, -1))
    tilt = right.neg_().add_(0.5)
    slope = surplus.addcmul_(weight, tilt)
    bend = tilt.square_().neg_().add_(0.25).mul_(weight)
    first, second = slope.sum(-2), bend.sum(-2)
    first[..., :top] -= slope.sum(-1)
    second[..., :top] += bend.sum(-1)
    return cost, first, second


def _first_minus_each(values: Tensor, matrix: Tensor) -> Tensor:
    """Puts the differences of the first values, `[lists, list]`, to all into a matrix `[lists, top, list]`, and returns it."""
    return torch.sub(values[:, : matrix.shape[1], None], values.unsqueeze(-2), out=matrix)


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


def rank_discounts(values: Tensor) -> Tensor:
    """`[list]`, the discount of each rank."""
    return 1 / torch.arange(2, values.shape[-1] + 2, dtype=values.dtype, device=values.device).log2()
