"""What rankings by the labels themselves have of every objective: the best that any model could reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from moft.engine.conflict.list_conflicts import Values
from moft.interfaces import Evaluator, Steered
from moft.types import Batch, Tradeoff

Gains = Callable[[Batch], Tensor]
"""`[batch, list, m]`: what an item adds to the metric of each objective at the top of its list, as a share of the ideal."""


@dataclass(frozen=True)
class RankingValues:
    """Mean values of the metric, NaN for an objective without a list that counts.

    Args:
        random: `[m]`, of a random order.
        ideal: `[m, m]`, in row i those of the best order for objective i.
        middle: `[m]`, of the order by the sum of the gains of the objectives that are trained.
        base: `[m]`, of the base scores; None where there are none.
        lists: number of lists.
        error: the largest standard error of the means of the middle.
    """

    random: Values
    ideal: Values
    middle: Values
    base: Values | None
    lists: int
    error: float

    def kept(self) -> Values:
        """`[m, m]`, what the best order for objective i has of j: 0 for a random order of j, 1 for the best; NaN if unknown."""
        return self.share(self.ideal)

    def kept_in_the_middle(self) -> Values:
        """`[m]`, the same of the middle."""
        return self.share(self.middle)

    def share(self, values: Values) -> Values:
        """The same of any values, `[..., m]`."""
        best = np.diag(self.ideal)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(best > self.random, (values - self.random) / (best - self.random), np.nan)


class _LabelScores(Steered):
    """Scores from labels alone, as a policy at `2 + m` tradeoffs: random, middle, and the best for each objective; then the base.

    Args:
        gains: of the items.
        m: number of objectives.
        trained: `[m]` bool, those in the middle.
        has_base: whether the reference scores are ranked, too.
    """

    def __init__(self, gains: Gains, m: int, trained: Tensor, *, has_base: bool) -> None:
        rows = 2 + m + has_base
        self.tradeoff = Tradeoff(torch.full((rows, m), 1 / m), torch.ones(rows, m))
        self._gains, self._trained, self._has_base = gains, trained, has_base

    def __call__(self, batch: Batch) -> Tensor:
        gains = self._gains(batch).masked_fill(~batch.mask, 0.0)  # [batch, list, m]
        rows = [torch.zeros_like(batch.reference), _ranks(gains[..., self._trained].sum(-1))]
        for index in range(gains.shape[-1]):
            others = _ranks(gains.sum(-1) - gains[..., index])
            rows.append(_ranks(_ranks(gains[..., index]) * others.shape[-1] + others))
        rows += [batch.reference] if self._has_base else []
        return torch.stack([row.to(batch.reference) for row in rows])


def ranking_values(
    evaluator: Evaluator, batches: Iterable[Batch], gains: Gains, trained: list[bool], *, has_base: bool = False
) -> RankingValues:
    """Measures rankings by labels.

    Items that are equal for the objective that is ranked best are in the order that is best for the sum of the others. For NDCG
    without missing labels, no order has a larger sum, and none has more of the others at the best of one.

    Args:
        evaluator: of the objectives, without a main one.
        batches: the lists; with `has_base`, their reference scores are those of the base model.
        gains: of the items.
        trained: for each objective, whether it is trained, so that it counts in the middle.
        has_base: whether to measure the reference scores.
    """
    m = len(trained)
    found = evaluator(_LabelScores(gains, m, torch.tensor(trained), has_base=has_base), batches).values  # [2 + m, lists, m]
    counts = (~found.isnan()).sum(1)
    means = (found.nanmean(1)).numpy()
    spread = (found - found.nanmean(1, keepdim=True)).square().nansum(1) / (counts - 1).clamp(min=1)
    error = (spread / counts.clamp(min=1)).sqrt()[1]
    base = means[-1] if has_base else None
    return RankingValues(means[0], means[2 : 2 + m], means[1], base, found.shape[1], float(error.max()))


def _ranks(values: Tensor) -> Tensor:
    """`[batch, list]` float64, from 0 for the smallest value of a row; equal values share a rank."""
    ordered, order = values.double().sort(dim=-1)
    steps = (ordered[..., 1:] > ordered[..., :-1]).double().cumsum(-1)
    return torch.zeros_like(ordered).scatter_(-1, order, torch.nn.functional.pad(steps, (1, 0)))
