"""A policy measured over a grid of tradeoffs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from moft.types.task_nouns import Nouns
from moft.types.tradeoff import Tradeoff

MAIN = "main"
"""The default name of the main objective's values."""


def list_mean(series: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean over lists, leaving out what is NaN.

    Args:
        series: `[n, lists, ...]`.
        weights: `[lists]`, >= 0; None for equal ones.

    Returns: `[n, ...]`; NaN where no list that counts has a value.
    """
    if weights is None:
        return series.nanmean(dim=1)
    shaped = weights.to(series).view(-1, *[1] * (series.dim() - 2)) * ~series.isnan()  # [n, lists, ...]
    return (series.nan_to_num(nan=0.0) * shaped).sum(1) / shaped.sum(1)


@dataclass(frozen=True)
class ListValues:
    """What an evaluator measured, per tradeoff and list; NaN where a list has no value for an objective.

    Args:
        values: `[n, lists, m]`, larger is better.
        main: `[n, lists]`; all NaN when there is no main objective.
        lists: `[lists]` int64, which list of its split each column is.
        more: `[n, lists]` each, by name: further values, whose means over the lists are written beside the others.
        main_name: what titles and columns call `main`, for an evaluator that puts another value there.
        weights: `[lists]`, how much each list counts in means; None where all count the same. The engine sets it.
        segments: the part of the split that each list belongs to; empty where there are none. The engine sets it.
    """

    values: Tensor
    main: Tensor
    lists: Tensor
    more: Mapping[str, Tensor] = field(default_factory=dict)
    main_name: str = MAIN
    weights: Tensor | None = None
    segments: tuple[str, ...] = ()

    def mean(self, series: Tensor) -> Tensor:
        """`[n, ...]`, the mean of `series`, `[n, lists, ...]`, over the lists that have a value, by their weights."""
        return list_mean(series, self.weights)

    def ordered(self) -> ListValues:
        """The same values with the lists in the order of the split."""
        order = self.lists.argsort()
        more = {name: series[:, order] for name, series in self.more.items()}
        return replace(self, values=self.values[:, order], main=self.main[:, order], lists=self.lists[order], more=more)


@dataclass(frozen=True)
class Front:
    """A policy measured over a grid of tradeoffs.

    Args:
        objectives: names, in order.
        tradeoffs: the grid, n rows.
        measured: values per tradeoff and list.
        metric: the metric with its convention, in words.
        split: the split of the data that was measured.
        notes: sentences for the reader.
        served: `[n, m]`, the weights that the policy served in place of those of the grid; None if it serves any weights.
        nouns: what the task calls its lists and items.
        dials: `[n, m]` float64, the factor on the trained betas at each point; None if it is not known.
        base: values of the base model, one tradeoff row; None if it is not measured.
    """

    objectives: tuple[str, ...]
    tradeoffs: Tradeoff
    measured: ListValues
    metric: str
    split: str
    notes: tuple[str, ...] = ()
    served: Tensor | None = None
    nouns: Nouns = field(default_factory=Nouns)
    dials: Tensor | None = None
    base: ListValues | None = None

    @property
    def points(self) -> Tensor:
        """`[n, m]`, means over the lists that count; larger is better."""
        return self.measured.mean(self.measured.values)

    @property
    def main(self) -> Tensor:
        """`[n]`, means of the main values; NaN where there are none."""
        return self.measured.mean(self.measured.main)

    def select(self, rows: Tensor) -> Front:
        """The front of the rows `rows` of the grid, `[k]` integers."""
        more = {name: series[rows] for name, series in self.measured.more.items()}
        measured = replace(self.measured, values=self.measured.values[rows], main=self.measured.main[rows], more=more)
        served = None if self.served is None else self.served[rows]
        dials = None if self.dials is None else self.dials[rows]
        return replace(self, tradeoffs=self.tradeoffs.select(rows), measured=measured, served=served, dials=dials)
