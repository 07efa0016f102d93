"""Decides which columns are labels and which are inputs, and reads and checks the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.features.feature_scaling import read_column
from moft_ltr.data.label_transforms import LabelColumn, MainLabel, transform_labels, transform_steps
from moft_ltr.data.readers.table_columns import EXCLUDED, columns_text
from moft_ltr.data.splits import QuerySubset

LARGEST_EXPONENT = 500.0
"""Largest label for the gain 2^label - 1: far below overflow in float64, also for the sum over a query."""

COARSE = 1e-3
"""Largest error of a label by 32 bits, as a share of the range of the labels within a query (the median over queries)."""

MSLR_COLUMNS = 136
MSLR_LABELS = range(132, 137)
"""Five of the 136 columns of an MSLR-WEB file are labels, even if a config uses only some of them."""


def is_mslr(data: Dataset) -> bool:
    """Whether data seem to be a file of MSLR-WEB, whose columns have no names."""
    return data.columns == MSLR_COLUMNS and not data.facts.names


def column_number(data: Dataset, column: int | str, setting: str) -> int:
    """The number, from 1, of a column given by number or by the data's own name for it.

    Raises:
        DataError: the file has no such column.
    """
    if isinstance(column, str):
        if column in data.facts.names:
            return data.facts.names.index(column) + 1
        if column in data.labels:
            return data.labels[column]
        if column in data.facts.text:
            raise DataError(f"{data.source}: {setting}: column {column!r} holds {data.facts.text[column]}, and no numbers.")
        if data.facts.names:
            raise DataError(f"{data.source}: {setting}: there is no column {column!r}; {columns_text(column, data.facts.names)}.")
        known = ", ".join(data.labels) or "none"
        raise DataError(f"{data.source}: {setting}: the data has no label {column!r}; its labels: {known}.")
    if not 1 <= column <= data.columns:
        raise DataError(f"{data.source}: {setting}: there is no column {column}; the file has columns 1 to {data.columns}.")
    return column


def label_columns(data: Dataset, objectives: Mapping[str, LabelColumn], main: MainLabel | None) -> dict[str, int]:
    """The column of each objective by name, and of `main` if it is read from a column.

    Raises:
        DataError: there is no such column, or the main label would be a relevance that the data does not have.
    """
    if main is not None and main.column is None and not data.facts.has_relevance:
        raise DataError(
            f"{data.source}: has no relevance beside its columns. Set task.main: {{column: NAME}} to the label of the main "
            "objective, or task.main: null if there is none."
        )
    columns = {
        name: column_number(data, label.column, f"task.objectives.{name}.column")
        for name, label in objectives.items()
        if label.column is not None
    }
    if main is not None and main.column is not None:
        columns["main"] = column_number(data, main.column, "task.main.column")
    return columns


def input_columns(
    data: Dataset,
    labels: Mapping[str, int],
    *,
    exclude: Sequence[int | str],
    features: Sequence[int | str] | None,
    further: Sequence[int | str] = (),
) -> NDArray[np.int64]:
    """`[features]`, the columns from 0 that are inputs; labels are never among them.

    Args:
        data: the data.
        labels: label columns of the objectives, by name.
        exclude: columns that are not inputs, by number or name.
        features: columns that are inputs; None for those that the data says, or all.
        further: label columns that are no objectives.

    Raises:
        ConfigError: `features` has a label column or a column twice, or no input is left.
        DataError: a column does not exist or holds no numbers, or labels of an MSLR file would be inputs.
    """
    out = {column_number(data, column, "task.exclude") for column in exclude if column not in data.facts.text}
    others = {column_number(data, column, "task.labels") for column in further}
    if features is not None:
        given = [column_number(data, column, "task.features") for column in features]
        repeated = sorted({column for column in given if given.count(column) > 1})
        if repeated:
            raise ConfigError(f"[task.features] {data.column_name(repeated[0])} is listed twice; list it once.")
        for name, column in labels.items():
            if column in given:
                raise ConfigError(
                    f"[task.features] {data.column_name(column)} is the label of {name!r}; a label cannot be a feature."
                )
        for column in others & {*given}:
            raise ConfigError(f"[task.features] {data.column_name(column)} is in task.labels; a label cannot be a feature.")
        chosen = [column for column in given if column not in out]
    else:
        out |= {*labels.values(), *data.labels.values(), *others}
        chosen = [column for column in data.facts.features or range(1, data.columns + 1) if column not in out]
        for name, kind in data.facts.text.items():
            if data.facts.features is None and name not in exclude and kind != EXCLUDED:
                raise DataError(
                    f"{data.source}: column {name!r} holds {kind}, and no numbers. List it in task.exclude, or in "
                    "task.categorical if it has categories."
                )
        leaks = [column for column in MSLR_LABELS if column in chosen] if is_mslr(data) else []
        if leaks:
            raise DataError(
                f"{data.source}: has {MSLR_COLUMNS} columns like MSLR-WEB, where 132 to 136 are labels, but {leaks} would be "
                f"inputs. Set task.exclude: {leaks}, or list task.features."
            )
    if not chosen:
        raise ConfigError("[task.features] no input column is left; list at least one that is not in task.exclude.")
    return np.array(chosen, dtype=np.int64) - 1


def read_labels(
    parts: Sequence[QuerySubset],
    items: Sequence[NDArray[np.int64]],
    objectives: Mapping[str, LabelColumn],
    main: MainLabel | None,
) -> tuple[Tensor, Tensor]:
    """`[items, m]` and `[items]`: transformed labels of the objectives, and of the main objective (zeros if there is none).

    NaN where a document has no label.

    Raises:
        DataError: a transformed label is negative, not finite, or too large for its gain.
    """
    tables, mains = [], []
    for part, chosen in zip(parts, items, strict=True):
        numbers = label_columns(part.data, objectives, main)
        columns = [
            _read(part, chosen, name, numbers[name], label) if name in numbers else np.zeros(len(chosen), dtype=np.float32)
            for name, label in objectives.items()
        ]
        tables.append(np.stack(columns, axis=1))
        if main is None:
            mains.append(np.zeros(len(chosen), dtype=np.float32))
        else:
            mains.append(_read(part, chosen, "main", numbers.get("main"), main))
    return torch.from_numpy(np.concatenate(tables)), torch.from_numpy(np.concatenate(mains))


def read_raw_labels(
    parts: Sequence[QuerySubset],
    items: Sequence[NDArray[np.int64]],
    objectives: Mapping[str, LabelColumn],
    main: MainLabel | None,
) -> dict[str, Tensor]:
    """`raw_labels`, `[items, m]`, and `raw_main`, `[items]`: labels as in the data, by their names in a batch.

    Empty where no label is transformed. NaN for a label that is inverted, because its least value is the best.
    """
    if not any(transform_steps(label.transform) for label in (*objectives.values(), main) if label is not None):
        return {}
    tables, mains = [], []
    for part, chosen in zip(parts, items, strict=True):
        numbers = label_columns(part.data, objectives, main)
        columns = [_read_raw(part, chosen, numbers.get(name, 1), label) for name, label in objectives.items()]
        tables.append(np.stack(columns, axis=1))
        mains.append(np.zeros(len(chosen), np.float32) if main is None else _read_raw(part, chosen, numbers.get("main"), main))
    return {"raw_labels": torch.from_numpy(np.concatenate(tables)), "raw_main": torch.from_numpy(np.concatenate(mains))}


def check_learnable(
    labels: Tensor,
    lengths: Tensor,
    names: Sequence[str],
    columns: Mapping[str, int | str],
    source: str,
    digits: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Checks that every objective has a training query whose labels differ.

    Args:
        labels: `[items, m]`, transformed, of the training queries; NaN where a document has none.
        lengths: `[lists]`.
        names: of the objectives.
        columns: of the objectives, by number or as messages call them.
        source: for the message.
        digits: a sentence for each objective that may have lost the digits of its labels.

    Returns: notes for each objective that some documents have no label of, or that is constant within some queries.

    Raises:
        DataError: an objective is constant within every query.
    """
    starts = (lengths.cumsum(0) - lengths).numpy()
    values, notes = labels.cpu().numpy(), []
    for index, name in enumerate(names):
        if name not in columns:
            continue  # an objective without labels
        low, high = np.fmin.reduceat(values[:, index], starts), np.fmax.reduceat(values[:, index], starts)
        is_constant = ~(high > low)  # also where no document has a label
        if is_constant.all():
            is_missing = np.isnan(high).all()
            what = (
                "zero everywhere" if (high == 0).all() else "missing everywhere" if is_missing else "constant within every query"
            )
            raise DataError(
                f"{source}: objective {name!r} (column {columns[name]}) is {what} in the training split after its transform; "
                f"its labels must differ within some query.{f' {digits[name]}' if name in digits else ''}"
            )
        if missing := int(np.isnan(values[:, index]).sum()):
            notes.append(
                f"{name}: {missing:,} of {len(values):,} training documents have no label; losses and metrics of {name} leave "
                "them out."
            )
        if constant := int(is_constant.sum()):
            notes.append(
                f"{name}: in {constant} of {len(lengths)} training queries all documents have the same label, which says nothing "
                "about their order."
            )
    return notes


def _read_raw(
    part: QuerySubset, items: NDArray[np.int64], column: int | None, label: LabelColumn | MainLabel
) -> NDArray[np.float32]:
    if "invert" in transform_steps(label.transform):
        return np.full(len(items), np.nan, dtype=np.float32)
    raw = part.data.relevance[items] if column is None else read_column(part.data.features, items, column - 1)
    return np.asarray(raw, dtype=np.float32)


def _read(
    part: QuerySubset, items: NDArray[np.int64], name: str, column: int | None, label: LabelColumn | MainLabel
) -> NDArray[np.float32]:
    raw = part.data.relevance[items] if column is None else read_column(part.data.features, items, column - 1)
    values = transform_labels(np.asarray(raw), part.offsets, label.transform)
    is_missing = np.isnan(raw)
    if is_missing.all():
        return values.astype(np.float32)
    if (np.isnan(values) & ~is_missing).any():
        wrong = int(np.flatnonzero(np.asarray(raw) < 0)[0])
        raise DataError(
            f"{_location(part, wrong, column)}: label {raw[wrong]:g} of {name!r} is negative, so that it has no log1p. "
            "Set transform: min-max, or write labels of 0 or more."
        )
    if not (np.abs(values[~is_missing]) <= np.finfo(np.float32).max).all():
        wrong = int(np.nanargmax(np.abs(values)))
        raise DataError(
            f"{_location(part, wrong, column)}: label {raw[wrong]:g} of {name!r} is {values[wrong]:g} after its transform, which "
            "is no 32-bit number. Set transform: min-max, or write smaller labels."
        )
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    if values[low] < 0:
        where = _location(part, low, column)
        raise DataError(
            f"{where}: label {raw[low]:g} of {name!r} is negative after its transform; labels must be 0 or more. "
            "Set transform: min-max."
        )
    if label.gain == "exp2" and values[high] > LARGEST_EXPONENT:
        where = _location(part, high, column)
        raise DataError(
            f"{where}: label {raw[high]:g} of {name!r} is too large for gain: exp2, which is 2^{values[high]:g} here. "
            "Set gain: linear, or a transform."
        )
    if loses_order(values, part.offsets):
        raise DataError(
            f"{_location(part, 0, column)}: labels of {name!r} such as {raw[0]:g} are so far from zero that after their "
            f"transform, as {values[0]:g}, 32 bits no longer tell those of a query apart. Subtract one number, such as the "
            "smallest label, from all of them in all files, or set transform: min-max."
        )
    return values.astype(np.float32)


def loses_order(labels: NDArray[np.float64], offsets: NDArray[np.int64]) -> bool:
    """Whether 32 bits are too few to tell the labels of a query apart, such as the logarithms of labels far from zero.

    Args:
        labels: `[items]`, transformed.
        offsets: `[lists + 1]`, where queries begin.
    """
    low, high = np.fmin.reduceat(labels, offsets[:-1]), np.fmax.reduceat(labels, offsets[:-1])
    error, spread = np.spacing(np.maximum(-low, high).astype(np.float32)) / 2, high - low
    differ = spread > 0
    return bool(differ.any() and np.median(error[differ] / spread[differ]) > COARSE)


def _location(part: QuerySubset, item: int, column: int | None) -> str:
    """Where a label is, for messages; `item` counts within `part`."""
    index = int(part.lists[np.searchsorted(part.offsets, item, side="right") - 1])
    what = "relevance" if column is None else part.data.column_name(column)
    place = part.data.row_place(int(part.items[item])) if part.data.facts.is_table else part.data.place(index)
    return f"{place}: {what} of query {part.data.query_name(index)}"


def label_owners(data: Dataset, labels: Mapping[str, int]) -> dict[int, str]:
    """Whose label a column, from 1, is: by the data's own names, and by those of `labels`."""
    return {column: name for names in (data.labels, labels) for name, column in names.items()}
