"""Which columns are labels, which are inputs, and what the labels of some lists are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft import ConfigError, DataError
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.feature_scaling import column_of
from moft_ltr.data.label_transforms import LabelColumn, MainLabel, transformed
from moft_ltr.data.splits import Chosen

LARGEST_EXPONENT = 500.0
"""A gain of 2^label stays a number well beyond this, and so does the sum of a list's gains."""

MSLR_COLUMNS = 136
MSLR_LABELS = range(132, 137)
"""MSLR-WEB files carry five label columns among their 136, whichever of them are used."""


def column_number(data: Dataset, column: int | str, setting: str) -> int:
    """The number, from 1, of a column given by number or by the data's own name for it.

    Raises:
        DataError: the file has no such column.
    """
    if isinstance(column, str):
        if column not in data.labels:
            known = ", ".join(data.labels) or "none"
            raise DataError(f"{data.source}: {setting} asks for the label {column!r}; labels that the data names: {known}.")
        return data.labels[column]
    if not 1 <= column <= data.columns:
        raise DataError(f"{data.source}: {setting} asks for column {column}; the file has columns 1 to {data.columns}.")
    return column


def label_columns(data: Dataset, objectives: Mapping[str, LabelColumn], main: MainLabel | None) -> dict[str, int]:
    """The column of every setting that reads labels; the main objective's only where it is a column."""
    found = {name: column_number(data, label.column, f"task.objectives.{name}.column") for name, label in objectives.items()}
    if main is not None and main.column is not None:
        found["main"] = column_number(data, main.column, "task.main.column")
    return found


def input_columns(
    data: Dataset, labels: Mapping[str, int], *, exclude: Sequence[int], features: Sequence[int] | None
) -> NDArray[np.int64]:
    """`[features]`, the columns from 0 that are inputs: no label is ever among them.

    Raises:
        ConfigError: a label column is also asked for as a feature, a column is given twice, or no input is left.
        DataError: the file has no such column, or it is an MSLR file some of whose labels would stay in the inputs.
    """
    for column in [*exclude, *(features or [])]:
        column_number(data, column, "task.features" if features and column in features else "task.exclude")
    if features is not None:
        doubled = sorted({column for column in features if list(features).count(column) > 1})
        if doubled:
            raise ConfigError(f"[task.features] column {doubled[0]} is listed twice.")
        for name, column in labels.items():
            if column in features:
                raise ConfigError(f"[task.features] column {column} is the label of {name!r}; a label cannot be a feature too.")
        chosen = [column for column in features if column not in exclude]
    else:
        out = {*labels.values(), *data.labels.values(), *exclude}
        chosen = [column for column in range(1, data.columns + 1) if column not in out]
        leaks = [column for column in MSLR_LABELS if column in chosen] if data.columns == MSLR_COLUMNS else []
        if leaks:
            raise DataError(
                f"{data.source}: has the {MSLR_COLUMNS} columns of MSLR-WEB, 132 to 136 are labels; {leaks} would be inputs. "
                f"Set task.exclude: {leaks}, or list task.features."
            )
    if not chosen:
        raise ConfigError("[task.features] no input column is left.")
    return np.array(chosen, dtype=np.int64) - 1


def read_labels(
    parts: Sequence[Chosen], items: Sequence[NDArray[np.int64]], objectives: Mapping[str, LabelColumn], main: MainLabel | None
) -> tuple[Tensor, Tensor]:
    """`[items, m]` and `[items]`: transformed labels of the objectives, and of the main one (zeros without).

    Raises:
        DataError: a transformed label is negative, or too large for its gain.
    """
    tables, mains = [], []
    for part, chosen in zip(parts, items, strict=True):
        numbers = label_columns(part.data, objectives, main)
        columns = [_read(part, chosen, name, numbers[name], label) for name, label in objectives.items()]
        tables.append(np.stack(columns, axis=1))
        if main is None:
            mains.append(np.zeros(len(chosen), dtype=np.float32))
        else:
            mains.append(_read(part, chosen, "main", numbers.get("main"), main))
    return torch.from_numpy(np.concatenate(tables)), torch.from_numpy(np.concatenate(mains))


def check_learnable(labels: Tensor, lengths: Tensor, names: Sequence[str], columns: Mapping[str, int], source: str) -> list[str]:
    """Refuses an objective that tells no two items of any list apart; says of the others how many lists do not.

    Args:
        labels: `[items, m]`, transformed, of the training lists.
        lengths: `[lists]`.
        names: of the objectives.
        columns: of the objectives.
        source: for the message.

    Returns: a sentence for each objective with lists whose items are all labelled alike.

    Raises:
        DataError: the objective is constant, or all zero, within every list.
    """
    starts = (lengths.cumsum(0) - lengths).numpy()
    values, notes = labels.cpu().numpy(), []
    for index, name in enumerate(names):
        low, high = np.minimum.reduceat(values[:, index], starts), np.maximum.reduceat(values[:, index], starts)
        if (high == low).all():
            what = "zero everywhere" if (high == 0).all() else "constant within every list"
            raise DataError(
                f"{source}: objective {name!r} (column {columns[name]}) is {what} in the training lists after its transform; "
                "an objective must tell items of some list apart."
            )
        if alike := int((high == low).sum()):
            notes.append(
                f"{name}: {alike} of {len(lengths)} training lists label all of their items alike and tell no two apart; "
                "under a softmax target they pull towards the base ranker."
            )
    return notes


def _read(
    part: Chosen, items: NDArray[np.int64], name: str, column: int | None, label: LabelColumn | MainLabel
) -> NDArray[np.float32]:
    raw = part.data.relevance[items] if column is None else column_of(part.data.features, items, column - 1)
    values = transformed(np.asarray(raw), part.offsets, label.transform)
    low, high = int(values.argmin()), int(values.argmax())
    if values[low] < 0:
        where = _place(part, low, column)
        raise DataError(
            f"{where}: label {raw[low]:g} of {name!r} is negative after its transform; labels must be 0 or more. "
            "Use transform: min-max."
        )
    if label.gain == "exp2" and values[high] > LARGEST_EXPONENT:
        where = _place(part, high, column)
        raise DataError(
            f"{where}: label {raw[high]:g} of {name!r} has a gain of 2^{values[high]:g}, which is no number; gain: exp2 is for "
            "grades. Use gain: linear, or a transform."
        )
    return values


def _place(part: Chosen, item: int, column: int | None) -> str:
    """Where a label stands, for messages; `item` counts within `part`."""
    index = part.lists[np.searchsorted(part.offsets, item, side="right") - 1]
    what = "relevance" if column is None else f"column {column}"
    return f"{part.data.place(index)}: {what} of list qid:{part.data.qids[index]}"
