"""Decides which columns are labels and which are inputs, and reads and checks the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.feature_scaling import read_column
from moft_ltr.data.label_transforms import LabelColumn, MainLabel, transform_labels, transform_steps
from moft_ltr.data.splits import QuerySubset

LARGEST_EXPONENT = 500.0
"""Largest label for the gain 2^label - 1: far below overflow in float64, also for the sum over a query."""

MSLR_COLUMNS = 136
MSLR_LABELS = range(132, 137)
"""Five of the 136 columns of an MSLR-WEB file are labels, even if a config uses only some of them."""


def column_number(data: Dataset, column: int | str, setting: str) -> int:
    """The number, from 1, of a column given by number or by the data's own name for it.

    Raises:
        DataError: the file has no such column.
    """
    if isinstance(column, str):
        if column not in data.labels:
            known = ", ".join(data.labels) or "none"
            raise DataError(f"{data.source}: {setting}: the data has no label {column!r}; its labels: {known}.")
        return data.labels[column]
    if not 1 <= column <= data.columns:
        raise DataError(f"{data.source}: {setting}: there is no column {column}; the file has columns 1 to {data.columns}.")
    return column


def label_columns(data: Dataset, objectives: Mapping[str, LabelColumn], main: MainLabel | None) -> dict[str, int]:
    """The column of each objective by name, and of `main` if it is read from a column."""
    columns = {
        name: column_number(data, label.column, f"task.objectives.{name}.column")
        for name, label in objectives.items()
        if label.column is not None
    }
    if main is not None and main.column is not None:
        columns["main"] = column_number(data, main.column, "task.main.column")
    return columns


def input_columns(
    data: Dataset, labels: Mapping[str, int], *, exclude: Sequence[int], features: Sequence[int] | None
) -> NDArray[np.int64]:
    """`[features]`, the columns from 0 that are inputs; labels are never among them.

    Raises:
        ConfigError: `features` has a label column or a column twice, or no input is left.
        DataError: a column does not exist, or labels of an MSLR file would be inputs.
    """
    for column in [*exclude, *(features or [])]:
        column_number(data, column, "task.features" if features and column in features else "task.exclude")
    if features is not None:
        repeated = sorted({column for column in features if list(features).count(column) > 1})
        if repeated:
            raise ConfigError(f"[task.features] column {repeated[0]} is listed twice; list it once.")
        for name, column in labels.items():
            if column in features:
                raise ConfigError(f"[task.features] column {column} is the label of {name!r}; a label cannot be a feature.")
        chosen = [column for column in features if column not in exclude]
    else:
        out = {*labels.values(), *data.labels.values(), *exclude}
        chosen = [column for column in range(1, data.columns + 1) if column not in out]
        leaks = [column for column in MSLR_LABELS if column in chosen] if data.columns == MSLR_COLUMNS else []
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


def check_learnable(labels: Tensor, lengths: Tensor, names: Sequence[str], columns: Mapping[str, int], source: str) -> list[str]:
    """Checks that every objective has a training query whose labels differ.

    Args:
        labels: `[items, m]`, transformed, of the training queries.
        lengths: `[lists]`.
        names: of the objectives.
        columns: of the objectives.
        source: for the message.

    Returns: a note for each objective that is constant within some queries.

    Raises:
        DataError: an objective is constant within every query.
    """
    starts = (lengths.cumsum(0) - lengths).numpy()
    values, notes = labels.cpu().numpy(), []
    for index, name in enumerate(names):
        if name not in columns:
            continue  # an objective without labels
        low, high = np.minimum.reduceat(values[:, index], starts), np.maximum.reduceat(values[:, index], starts)
        if (high == low).all():
            what = "zero everywhere" if (high == 0).all() else "constant within every query"
            raise DataError(
                f"{source}: objective {name!r} (column {columns[name]}) is {what} in the training split after its transform; "
                "its labels must differ within some query."
            )
        if constant := int((high == low).sum()):
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
    if np.isnan(values).any():
        wrong = int(np.flatnonzero(np.asarray(raw) < 0)[0])
        raise DataError(
            f"{_location(part, wrong, column)}: label {raw[wrong]:g} of {name!r} is negative, so that it has no log1p. "
            "Set transform: min-max, or write labels of 0 or more."
        )
    if not (np.abs(values) <= np.finfo(np.float32).max).all():
        wrong = int(np.abs(values).argmax())
        raise DataError(
            f"{_location(part, wrong, column)}: label {raw[wrong]:g} of {name!r} is {values[wrong]:g} after its transform, which "
            "is no 32-bit number. Set transform: min-max, or write smaller labels."
        )
    low, high = int(values.argmin()), int(values.argmax())
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
    return values.astype(np.float32)


def _location(part: QuerySubset, item: int, column: int | None) -> str:
    """Where a label is, for messages; `item` counts within `part`."""
    index = part.lists[np.searchsorted(part.offsets, item, side="right") - 1]
    what = "relevance" if column is None else f"column {column}"
    return f"{part.data.place(index)}: {what} of query qid:{part.data.qids[index]}"
