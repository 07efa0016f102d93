"""NDCG@k per objective and query, with its conventions as settings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from moft.api import Batch, Count, ListValues, Objective, Steered

Empty = Literal["skip", "one", "zero"]


class NDCG:
    """Normalised discounted cumulative gain of every objective and of the main one.

    Args:
        k: number of top ranks that count.
        empty: what a query without gain (no label above 0) counts as: `skip` leaves it out of the mean, `one` counts 1, `zero`
            counts 0. This alone can change the mean of a dataset by several points.
    """

    def __init__(
        self, objectives: tuple[Objective, ...], main: Objective | None, *, k: Count = 10, empty: Empty = "skip"
    ) -> None:
        self._objectives, self._main, self._k, self._empty = objectives, main, k, empty
        gain_formulas = {"linear": "the label itself", "exp2": "2^label - 1"}
        measured = [*objectives, *([main] if main is not None else [])]
        gains = "; ".join(
            f"{', '.join(o.name for o in measured if o.gain == gain)}: {formula}"
            for gain, formula in gain_formulas.items()
            if any(o.gain == gain for o in measured)
        )
        empties = {"skip": "are skipped", "one": "count 1", "zero": "count 0"}[empty]
        self.metric = (
            f"NDCG@{k} (gain {gains}; discount 1/log2(rank+1); queries without gain {empties}; tied documents share their ranks)"
        )

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        values, mains, lists = [], [], []
        for batch in batches:
            ranked = ranking(steered(batch), batch.items, self._k)
            columns = [
                ndcg(ranked, batch.labels[..., index], batch.mask[..., index], objective.gain, self._empty)
                for index, objective in enumerate(self._objectives)
            ]
            values.append(torch.stack(columns, dim=-1).cpu())  # [n, batch, m]
            main = torch.full(ranked.order.shape[:2], math.nan)
            if self._main is not None:
                main = ndcg(ranked, batch.main, batch.items, self._main.gain, self._empty).cpu()
            mains.append(main)
            lists.append(batch.lists.cpu())
        return ListValues(torch.cat(values, dim=1), torch.cat(mains, dim=1), torch.cat(lists))


@dataclass(frozen=True, eq=False)
class Ranking:
    """The documents of queries, best first, and what each rank counts.

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
    """Ranks the documents of each query by their scores, of which the first `k` ranks count.

    Args:
        scores: `[n, batch, list]`.
        items: `[batch, list]` bool, False for padding, which stands after all documents and is ranked last.
        k: number of ranks.

    Source of the averaging: McSherry and Najork 2008.
    """
    size = scores.shape[-1]
    ranked, order = scores.float().masked_fill(~items, -math.inf).sort(dim=-1, descending=True, stable=True)
    discounts = 1 / torch.log2(torch.arange(min(k, size), dtype=torch.float64, device=scores.device) + 2)
    follows = (ranked[..., 1:] == ranked[..., :-1]) & items[:, 1:]  # [n, batch, list - 1], True where it ties with the one before
    if not follows[..., : len(discounts)].any():
        return Ranking(order[..., : len(discounts)], discounts, discounts)
    places = torch.arange(size, device=scores.device)
    first = pad(follows.logical_not() * places[1:], (1, 0)).cummax(dim=-1).values  # [n, batch, list], where its ties begin
    last = pad(torch.where(follows, size, places[:-1]), (0, 1), value=size - 1).flip(-1).cummin(dim=-1).values.flip(-1)
    whole = pad(discounts, (0, size - len(discounts)))  # [list]
    sums = pad(whole.cumsum(0), (1, 0))  # [list + 1]
    shared = torch.where(first == last, whole, (sums[last + 1] - sums[first]) / (last + 1 - first))
    return Ranking(order, discounts, shared)


def ndcg(ranked: Ranking, labels: Tensor, mask: Tensor, gain: str, empty: Empty) -> Tensor:
    """NDCG@k of rankings; documents of the same score share their ranks, so that the order of the data does not matter.

    Args:
        ranked: of the queries.
        labels: `[batch, list]`, not negative.
        mask: `[batch, list]` bool, True where the label counts.
        gain: `linear` or `exp2`.
        empty: what a query counts as whose ideal DCG is zero.

    Returns: `[n, batch]`, 0 to 1; NaN for skipped queries.

    Source: Jarvelin and Kekalainen 2002, with the logarithmic discount of Burges et al. 2005.
    """
    gains = (labels.double().exp2() - 1 if gain == "exp2" else labels.double()).masked_fill(~mask, 0.0)
    top = gains.sort(dim=-1, descending=True).values[..., : len(ranked.discounts)]
    ideal = (top * ranked.discounts).sum(-1)  # [batch]
    found = gains.expand(len(ranked.order), -1, -1).gather(2, ranked.order)  # [n, batch, ranks]
    values = (found * ranked.shared).sum(-1) / ideal.clamp(min=torch.finfo(torch.float64).tiny)
    filler = {"skip": math.nan, "one": 1.0, "zero": 0.0}[empty]
    return values.masked_fill(ideal <= 0, filler)
