"""Metrics of a ranking, in the exact mean over all orders of documents with the same score."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from moft_ltr.metrics.ranking import Order, Ranking, discounted

Empty = Literal["skip", "one", "zero"]
FILLERS: dict[Empty, float] = {"skip": math.nan, "one": 1.0, "zero": 0.0}
"""What a query counts as that has no gain."""


def ndcg(ranked: Ranking, labels: Tensor, mask: Tensor, gain: str, empty: Empty, weights: Tensor | None = None) -> Tensor:
    """NDCG@k of rankings; documents of the same score share their ranks, so that the order of the data does not matter.

    Args:
        ranked: of the queries.
        labels: `[batch, list]`, not negative.
        mask: `[batch, list]` bool, True where the label counts.
        gain: `linear` or `exp2`.
        empty: what a query counts as whose ideal DCG is zero.
        weights: `[batch, list]`, factors on the gains; None for none.

    Returns: `[n, batch]`, 0 to 1; NaN for skipped queries.

    Source: Jarvelin and Kekalainen 2002, with the logarithmic discount of Burges et al. 2005.
    """
    gains = (labels.double().exp2() - 1 if gain == "exp2" else labels.double()).masked_fill(~mask, 0.0)
    if weights is not None:
        gains = gains * weights
    top = gains.sort(dim=-1, descending=True).values[..., : len(ranked.discounts)]
    ideal = (top * ranked.discounts).sum(-1)  # [batch]
    found = gains.expand(len(ranked.order), -1, -1).gather(2, ranked.order)  # [n, batch, ranks]
    values = (found * ranked.shared).sum(-1) / ideal.clamp(min=torch.finfo(torch.float64).tiny)
    return values.masked_fill(ideal <= 0, FILLERS[empty])


def mean_over_queries(values: Tensor, weights: Tensor | None) -> float:
    """The mean of a metric over queries, both `[lists]`, leaving out what is NaN; None for equal weights."""
    if weights is None:
        return values.nanmean().item()
    counted = weights * ~values.isnan()
    return ((values.nan_to_num(nan=0.0) * counted).sum() / counted.sum()).item()


def top_sum(order: Order, amounts: Tensor, k: int) -> Tensor:
    """`[n, batch]`, the sum of the `amounts`, `[batch, list]`, of the first `k` documents."""
    amounts = amounts.double()
    shared = order.shared(amounts.new_ones(min(k, amounts.shape[-1])))  # [ranks] or [n, batch, ranks]
    return (order.ranked(amounts)[..., : shared.shape[-1]] * shared).sum(-1)


def exposure(order: Order, group: Tensor, items: Tensor, k: int) -> Tensor:
    """The part of the exposure of the first `k` documents, 1/log2(rank + 1) each, that documents of a group have.

    Args:
        order: of the documents.
        group: `[batch, list]` bool.
        items: `[batch, list]` bool, False for padding.
        k: number of ranks.

    Returns: `[n, batch]`, 0 to 1.

    Source: Singh and Joachims 2018 (fairness of exposure in rankings).
    """
    ranked = discounted(order, k)
    have, all_have = (
        (order.ranked(each.double())[..., : ranked.shared.shape[-1]] * ranked.shared).sum(-1) for each in (group & items, items)
    )
    return have / all_have


def distinct_categories(order: Order, category: Tensor, items: Tensor, k: int) -> Tensor:
    """How many categories are among the first `k` documents, over how many could be there.

    Of documents with the same score across the k-th rank, t of s are shown. A category with c of them is shown with the chance
    1 - C(s - c, t) / C(s, t).

    Args:
        order: of the documents.
        category: `[batch, list]`; a document with NaN has none.
        items: `[batch, list]` bool, False for padding.
        k: number of ranks.

    Returns: `[n, batch]`, 0 to 1; NaN where there is no category.

    Source: Zhai et al. 2003 (subtopic recall).
    """
    has_one = items & ~category.isnan()
    same = ((category.unsqueeze(-1) == category.unsqueeze(-2)) & has_one.unsqueeze(-2)).double()  # [batch, list, list]
    first, last = (torch.empty_like(each).scatter_(2, order.documents, each) for each in order.blocks)  # by document
    is_shown, may_be = (last < k) & has_one, (first < k) & (last >= k) & has_one  # [n, batch, list]
    shown, others = ((each.double().unsqueeze(-2) @ same.transpose(-1, -2)).squeeze(-2) for each in (is_shown, may_be))
    size, places = (last + 1 - first).double(), (k - first).double()
    left, whole = _log_choices(size - others, places), _log_choices(size, places)
    chance = 1 - (left - whole).exp()  # of the category of each document that may be shown
    certain = torch.where(is_shown, 1 / shown.clamp(min=1), 0.0).sum(-1)
    possible = torch.where(may_be & (shown == 0), chance / others.clamp(min=1), 0.0).sum(-1)
    known = torch.where(has_one, 1 / same.sum(-1).clamp(min=1), 0.0).sum(-1)  # [batch], categories of the query
    return (certain + possible) / known.round().clamp(max=k).masked_fill(~has_one.any(-1), math.nan)


def _log_choices(n: Tensor, k: Tensor) -> Tensor:
    """The logarithm of the number of ways to choose k of n; minus infinity if there is none."""
    safe = n.maximum(k)
    ways = (safe + 1).lgamma() - (k + 1).clamp(min=1).lgamma() - (safe - k + 1).lgamma()
    return torch.where(n >= k, ways, -math.inf)


def average_precision(order: Order, relevant: Tensor, k: int) -> Tensor:
    """Sum of the precision at each relevant document of the first `k`, over the number of all relevant documents.

    Within documents of the same score, each rank is relevant with the share of relevant ones, and so are those above it.

    Args:
        order: of the documents.
        relevant: `[batch, list]` bool.
        k: number of ranks.

    Returns: `[n, batch]`, 0 to 1; 0 where nothing is relevant.

    Source: McSherry and Najork 2008, section 3.3.
    """
    found = order.ranked(relevant.double())  # [n, batch, list]
    first, last = order.blocks
    above = pad(found.cumsum(-1), (1, 0))  # [n, batch, list + 1], relevant documents above each rank
    before, size = above.gather(2, first), (last + 1 - first).double()
    inside = above.gather(2, last + 1) - before  # relevant documents of the same score
    ranks = torch.arange(found.shape[-1], device=found.device)
    others = (ranks - first) * (inside - 1) / (size - 1).clamp(min=1)  # of the same score and above, if this one is relevant
    terms = inside / size * (before + 1 + others) / (ranks + 1)
    return terms[..., :k].sum(-1) / relevant.sum(-1).clamp(min=1)


def cascade(order: Order, chances: Tensor, k: int) -> Tensor:
    """The mean of 1/rank over the rank at which a reader stops who reads from the top; 0 if the reader does not stop within `k`.

    The chance that the reader is still there after j of s documents of the same score is the mean of the products of (1 - chance)
    over all choices of j of them. These means are built up document by document.

    Args:
        order: of the documents.
        chances: `[batch, list]`, 0 to 1, that the reader stops at a document. Where only 0 and 1 occur, this is the reciprocal
            rank; with graded chances, the expected reciprocal rank.
        k: number of ranks.

    Returns: `[n, batch]`, 0 to 1.

    Source: Chapelle et al. 2009 (expected reciprocal rank).
    """
    goes_on = order.ranked(1 - chances.double())  # [n, batch, list]
    ranks = min(k, goes_on.shape[-1])
    places = torch.arange(ranks + 1, device=goes_on.device)
    if not order.ties_within(ranks):
        there = pad(goes_on[..., :ranks].cumprod(-1), (1, 0), value=1.0)
    else:
        first, _ = order.blocks
        there = goes_on.new_zeros(*goes_on.shape[:2], ranks + 1)  # [n, batch, ranks + 1], the chance after so many documents
        there[..., 0] = 1
        for rank in range(goes_on.shape[-1]):
            begin = first[..., rank].unsqueeze(-1)  # [n, batch, 1]
            if bool((begin >= ranks).all()):
                break
            count, taken = rank - begin + 1, (places - begin).clamp(min=0)
            with_this = pad(there[..., :-1], (1, 0)) * goes_on[..., rank].unsqueeze(-1)
            there = ((count - taken) * there + taken * with_this) / count
    return ((there[..., :-1] - there[..., 1:]) / places[1:]).sum(-1)
