"""NDCG@k per objective and query, with its conventions as settings."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

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
            f"NDCG@{k} (gain {gains}; discount 1/log2(rank+1); queries without gain {empties}; ties keep the order of the file)"
        )

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        values, mains, lists = [], [], []
        for batch in batches:
            order = ranking(steered(batch), batch.items, self._k)  # [n, batch, k]
            columns = [
                ndcg(order, batch.labels[..., index], batch.mask[..., index], objective.gain, self._empty)
                for index, objective in enumerate(self._objectives)
            ]
            values.append(torch.stack(columns, dim=-1).cpu())  # [n, batch, m]
            main = torch.full(order.shape[:2], math.nan)
            if self._main is not None:
                main = ndcg(order, batch.main, batch.items, self._main.gain, self._empty).cpu()
            mains.append(main)
            lists.append(batch.lists.cpu())
        return ListValues(torch.cat(values, dim=1), torch.cat(mains, dim=1), torch.cat(lists))


def ranking(scores: Tensor, items: Tensor, k: int) -> Tensor:
    """The `k` highest-scored documents of each query, best first; equal scores keep the order of the file.

    Args:
        scores: `[n, batch, list]`.
        items: `[batch, list]` bool, False for padding, which is ranked last.
        k: number of ranks.

    Returns: `[n, batch, min(k, list)]` int64.
    """
    hidden = scores.float().masked_fill(~items, torch.finfo(torch.float32).min)
    return hidden.sort(dim=-1, descending=True, stable=True).indices[..., :k]


def ndcg(order: Tensor, labels: Tensor, mask: Tensor, gain: str, empty: Empty) -> Tensor:
    """NDCG@k of rankings, where k is the last size of `order`.

    Args:
        order: `[n, batch, k]`, indices of the documents, best first.
        labels: `[batch, list]`, not negative.
        mask: `[batch, list]` bool, True where the label counts.
        gain: `linear` or `exp2`.
        empty: what a query counts as whose ideal DCG is zero.

    Returns: `[n, batch]`, 0 to 1; NaN for skipped queries.

    Source: Jarvelin and Kekalainen 2002, with the logarithmic discount of Burges et al. 2005.
    """
    gains = (labels.double().exp2() - 1 if gain == "exp2" else labels.double()).masked_fill(~mask, 0.0)
    ranks = torch.arange(order.shape[-1], dtype=torch.float64, device=order.device)
    discount = 1 / torch.log2(ranks + 2)  # [k]
    ideal = (gains.sort(dim=-1, descending=True).values[..., : order.shape[-1]] * discount).sum(-1)  # [batch]
    found = gains.expand(len(order), -1, -1).gather(2, order)  # [n, batch, k]
    values = (found * discount).sum(-1) / ideal.clamp(min=torch.finfo(torch.float64).tiny)
    filler = {"skip": math.nan, "one": 1.0, "zero": 0.0}[empty]
    return values.masked_fill(ideal <= 0, filler)
