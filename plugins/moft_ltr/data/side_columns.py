"""Columns beside features and labels: weights and segments of queries, propensities and attributes of documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from annotated_types import Gt, Le
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft_ltr.data.columns import column_number
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.features.feature_scaling import read_column
from moft_ltr.data.splits import QuerySubset

MOST_SEGMENTS = 100
"""Segments of a split, each of which has a table in the report."""


@dataclass(frozen=True)
class Propensity:
    """How likely each document was to be seen, so that labels of documents which are rarely seen count more.

    Args:
        column: number of the column, from 1, or the name that the data gives it; probabilities above 0 and at most 1. It is not
            an input.
        clip: smallest probability; a smaller one counts as this, so that no document counts more than 1/clip. A larger value has
            less variance and more bias.
        self_normalised: true divides the inverse probabilities of a query by their mean, so that its documents count 1 on
            average.
        objectives: whose labels depend on what was seen, such as clicks; null for all.

    Source: Joachims et al. 2017 (unbiased learning to rank with biased feedback); self-normalised: Swaminathan and Joachims 2015.
    """

    column: int | str
    clip: Annotated[float, Gt(0), Le(1)] = 0.01
    self_normalised: bool = False
    objectives: list[str] | None = None


@dataclass(frozen=True)
class SideColumns:
    """The columns of a task that are neither labels nor the base model's scores.

    Args:
        query_weight: how much a query counts; None where all count the same.
        segment: which part of the data a query belongs to.
        propensity: of documents.
        attributes: by name, what losses and metrics read of documents.
    """

    query_weight: int | str | None = None
    segment: int | str | None = None
    propensity: Propensity | None = None
    attributes: Mapping[str, int | str] = field(default_factory=dict)

    def check(self, objectives: Sequence[str]) -> None:
        """Checks the names of objectives.

        Raises:
            ConfigError: `propensity` names one that there is not.
        """
        for name in (self.propensity and self.propensity.objectives) or ():
            if name not in objectives:
                raise ConfigError(
                    f"[task.propensity.objectives] there is no objective {name!r}; there are {', '.join(objectives)}."
                )

    def numbers(self, data: Dataset) -> dict[str, int]:
        """The columns that are no inputs, from 1, by setting."""
        return {setting: column_number(data, column, setting) for setting, column in self._no_inputs().items()}

    def given(self) -> list[int | str]:
        """All columns, as they are written."""
        return [*self._no_inputs().values(), *self.attributes.values()]

    def _no_inputs(self) -> dict[str, int | str]:
        propensity = None if self.propensity is None else self.propensity.column
        columns = {"task.query_weight": self.query_weight, "task.segment": self.segment, "task.propensity.column": propensity}
        return {setting: column for setting, column in columns.items() if column is not None}

    def identity(self) -> dict[str, dict[str, str]]:
        """What changes measured values, in words, under `weights`; empty where there is nothing."""
        words = {} if self.query_weight is None else {"queries": f"column {self.query_weight}"}
        if self.propensity is not None:
            used, scaled = self.propensity, ", self-normalised" if self.propensity.self_normalised else ""
            whose = "all objectives" if used.objectives is None else ", ".join(used.objectives)
            words["documents"] = f"1 / column {used.column}, clipped at {used.clip:g}{scaled}, for {whose}"
        return {"weights": words} if words else {}


@dataclass(frozen=True, eq=False)
class SideValues:
    """What was read.

    Args:
        lists: `[lists]` float32, of the queries, as in the data; None where all count the same.
        items: `[items, m]` float32, of the documents' labels; None for 1.
        segments: of each query, as text; empty where there are none.
        attributes: `[items]` float32 each, by name.
    """

    lists: Tensor | None = None
    items: Tensor | None = None
    segments: tuple[str, ...] = ()
    attributes: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def relative(self) -> Tensor | None:
        """`[lists]`, the weights of the queries, divided by their mean; None where there are none."""
        return None if self.lists is None else self.lists / self.lists.mean()

    def to(self, device: torch.device) -> SideValues:
        """The same, with the values of documents on a device."""
        items = None if self.items is None else self.items.to(device)
        return replace(self, items=items, attributes={name: column.to(device) for name, column in self.attributes.items()})


def read_side_columns(parts: Sequence[QuerySubset], columns: SideColumns, objectives: Sequence[str]) -> SideValues:
    """The weights and segments of the queries of a split, and the propensities and attributes of their documents.

    Raises:
        DataError: a weight or a propensity is out of range, or a weight or segment differs within a query; the message has the
            place.
    """
    weights, segments, items = list[NDArray[np.float32]](), list[str](), list[NDArray[np.float32]]()
    for part in parts:
        numbers = columns.numbers(part.data)
        if column := numbers.get("task.query_weight"):
            weights.append(_of_queries(part, column, "task.query_weight"))
            _check(part, weights[-1] >= 0, part.offsets[:-1], column, "task.query_weight", weights[-1], "0 or more")
        if column := numbers.get("task.segment"):
            segments += [f"{value:g}" for value in _of_queries(part, column, "task.segment").tolist()]
        if (column := numbers.get("task.propensity.column")) and columns.propensity is not None:
            items.append(_inverse_propensities(part, column, columns.propensity))
    if weights and not any(part.any() for part in weights):
        raise DataError(f"{parts[0].data.source}: [task.query_weight] the weight of every query is 0, so that none counts.")
    if len(set(segments)) > MOST_SEGMENTS:
        raise DataError(
            f"{parts[0].data.source}: [task.segment] has {len(set(segments))} different values; a report shows at most "
            f"{MOST_SEGMENTS} segments. Name a column of a few kinds of queries."
        )
    by_objective = None
    if items and columns.propensity is not None:
        whole = torch.from_numpy(np.concatenate(items))
        chosen = columns.propensity.objectives
        is_used = torch.tensor([chosen is None or name in chosen for name in objectives])
        by_objective = torch.where(is_used, whole.unsqueeze(1), 1.0)
    lists = torch.from_numpy(np.concatenate(weights)) if weights else None
    attributes = {name: _attribute(parts, name, column) for name, column in columns.attributes.items()}
    return SideValues(lists, by_objective, tuple(segments), attributes)


def _attribute(parts: Sequence[QuerySubset], name: str, column: int | str) -> Tensor:
    numbers = [column_number(part.data, column, f"task.attributes.{name}") for part in parts]
    pieces = [read_column(part.data.features, part.items, number - 1) for part, number in zip(parts, numbers, strict=True)]
    return torch.from_numpy(np.concatenate(pieces).astype(np.float32))


def _inverse_propensities(part: QuerySubset, column: int, settings: Propensity) -> NDArray[np.float32]:
    seen = np.asarray(read_column(part.data.features, part.items, column - 1), dtype=np.float64)
    places = np.arange(len(seen))
    _check(part, (seen > 0) & (seen <= 1), places, column, "task.propensity.column", seen, "above 0 and at most 1")
    weights = 1 / np.maximum(seen, settings.clip)
    if settings.self_normalised:
        starts, lengths = part.offsets[:-1], np.diff(part.offsets)
        weights = weights / np.repeat(np.add.reduceat(weights, starts) / lengths, lengths)
    return weights.astype(np.float32)


def _of_queries(part: QuerySubset, column: int, setting: str) -> NDArray[np.float32]:
    """`[lists]`, a column that has one value in each query."""
    values = np.asarray(read_column(part.data.features, part.items, column - 1), dtype=np.float32)
    starts = part.offsets[:-1]
    first = np.repeat(values[starts], np.diff(part.offsets))
    _check(part, np.isfinite(values), np.arange(len(values)), column, setting, values, "a finite number")
    _check(part, values == first, np.arange(len(values)), column, setting, values, "the same for all documents of a query")
    return values[starts]


def _check(
    part: QuerySubset,
    is_right: NDArray[np.bool_],
    places: NDArray[np.int64],
    column: int,
    setting: str,
    values: NDArray[np.floating],
    allowed: str,
) -> None:
    """Refuses the first value that is not right; `places` are the documents of the values, within `part`."""
    wrong = np.flatnonzero(~is_right)
    if len(wrong):
        item = int(places[wrong[0]])
        index = np.searchsorted(part.offsets, item, side="right") - 1
        query = part.lists[index]
        raise DataError(
            f"{part.data.place(query)}: column {column} of document {item - part.offsets[index] + 1} of query "
            f"qid:{part.data.qids[query]} is {values[wrong[0]]:g}; [{setting}] must be {allowed}."
        )
