"""The order of the documents of queries by their scores, and what each rank counts where scores tie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, eq=False)
class Order:
    """The documents of queries, best first.

    Args:
        documents: `[n, batch, list]` int64, indices of the documents; padding is last.
        follows: `[n, batch, list - 1]` bool, True where a document has the score of the one before.
    """

    documents: Tensor
    follows: Tensor

    @cached_property
    def blocks(self) -> tuple[Tensor, Tensor]:
        """`[n, batch, list]` int64 each: the first and the last rank, from 0, of the documents with the score of each rank."""
        size = self.documents.shape[-1]
        places = torch.arange(size, device=self.documents.device)
        first = pad(self.follows.logical_not() * places[1:], (1, 0)).cummax(dim=-1).values
        last = pad(torch.where(self.follows, size, places[:-1]), (0, 1), value=size - 1).flip(-1).cummin(dim=-1).values.flip(-1)
        return first, last

    def ties_within(self, k: int) -> bool:
        """True if two documents tie of which one is among the first `k`."""
        return bool(self.follows[..., :k].any())

    def ranked(self, values: Tensor) -> Tensor:
        """`[n, batch, list]`, the values `[batch, list]` of the documents in this order."""
        return values.expand(len(self.documents), -1, -1).gather(2, self.documents)

    def shared(self, weights: Tensor) -> Tensor:
        """What each rank counts, averaged over documents of the same score.

        Args:
            weights: `[k]`, of the top ranks; those below count nothing.

        Returns: `[k]` where no scores tie, else `[n, batch, list]`.
        """
        if not self.ties_within(len(weights)):
            return weights
        first, last = self.blocks
        whole = pad(weights, (0, self.documents.shape[-1] - len(weights)))  # [list]
        sums = pad(whole.cumsum(0), (1, 0))  # [list + 1]
        return torch.where(first == last, whole, (sums[last + 1] - sums[first]) / (last + 1 - first))


def ordered(scores: Tensor, items: Tensor) -> Order:
    """The order of the documents of each query.

    Args:
        scores: `[n, batch, list]`.
        items: `[batch, list]` bool, False for padding, which stands after all documents and is ranked last.
    """
    ranked, documents = scores.float().masked_fill(~items, -math.inf).sort(dim=-1, descending=True, stable=True)
    return Order(documents, (ranked[..., 1:] == ranked[..., :-1]) & items[:, 1:])


@dataclass(frozen=True, eq=False)
class Ranking:
    """The documents of queries, best first, and the discount of each rank.

    Args:
        order: `[n, batch, ranks]` int64, indices of the documents; all of them where scores tie, else the top k.
        discounts: of the top ranks, `[min(k, list)]` float64.
        shared: `[ranks]`, or `[n, batch, ranks]` where scores tie: the discount of each rank, averaged over documents of the same
            score.
    """

    order: Tensor
    discounts: Tensor
    shared: Tensor


def ranking(scores: Tensor, items: Tensor, k: int) -> Ranking:
    """Ranks the documents of each query by their scores, of which the first `k` ranks count with a logarithmic discount.

    Args:
        scores: `[n, batch, list]`.
        items: `[batch, list]` bool, False for padding.
        k: number of ranks.

    Source of the averaging: McSherry and Najork 2008.
    """
    return discounted(ordered(scores, items), k)


def discounted(order: Order, k: int) -> Ranking:
    """The same from an order."""
    ranks = torch.arange(min(k, order.documents.shape[-1]), dtype=torch.float64, device=order.documents.device)
    discounts = 1 / torch.log2(ranks + 2)
    shared = order.shared(discounts)
    return Ranking(order.documents[..., : shared.shape[-1]], discounts, shared)
