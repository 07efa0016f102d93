"""The categories that a LightGBM model was trained on: gives it their codes, and checks data that may hold their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft import DataError
from moft.api import TreeModel
from moft_ltr.data.converted.dataset_folder import Integers, TableFacts
from moft_ltr.data.features.feature_scaling import read_column
from moft_ltr.data.splits import QuerySubset

SHOWN = 6
"""Categories that a message names."""


def check_categories(model: TreeModel, parts: Sequence[QuerySubset], columns: Integers, *, are_all: bool = True) -> None:
    """Checks that no column holds values for which the model has other codes.

    pandas numbers categories from 0 in their order, and the model knows only these codes.

    Args:
        model: the model.
        parts: the queries of all splits.
        columns: `[features]`, the column from 0 of each of the model's features.
        are_all: whether these are all queries; if not, others may show that what seems to be a value is a code.

    Raises:
        DataError: a column holds such values or may do so, or it holds numbers that are no codes.
    """
    for feature in model.used.tolist():
        for categories in model.categories.get(feature, ()):
            found = np.unique(np.concatenate([_values(part, int(columns[feature])) for part in parts]))
            codes = {value: code for code, category in enumerate(categories) if (value := _number(category)) is not None}
            other = [value for value in found.tolist() if codes.get(value, value) != value]
            are_values = bool(other) and all(value in codes for value in found.tolist())
            no_code = found[(found != np.trunc(found)) | (found < -1) | (found >= len(categories))].tolist()
            if (are_values and are_all) or (no_code and model.are_categories_matched):
                shown = ", ".join(str(category)[:20] for category in categories[:SHOWN])
                shown += f" and {len(categories) - SHOWN} more" if len(categories) > SHOWN else ""
                raise DataError(
                    f"{parts[0].data.source}: column {columns[feature] + 1} holds {(no_code or other)[0]:g}, but feature "
                    f"{feature + 1} of the LightGBM model ({model.names[feature][:40]!r}) is a category of pandas, of which the "
                    f"model reads the place among {shown}, from 0. Write these places into the column, or use a column of "
                    "scores as task.base."
                )


def model_categories(model: TreeModel, facts: TableFacts, columns: Integers) -> dict[int, NDArray[np.float32]]:
    """By feature of a model, from 0, what it reads for each code of its column of categories, and NaN after the last one.

    pandas numbers its categories from 0 in their order; a model that was trained without pandas reads integers themselves. What
    the model does not know is missing for it, as LightGBM has it.

    Args:
        model: the model.
        facts: of the table.
        columns: `[features]`, the column from 0 of each of the model's features.

    Raises:
        DataError: the model does not say which categories a feature has.
    """
    found = {}
    for feature, column in enumerate(columns.tolist()):
        own = facts.categories.get(column + 1)
        if own is None:
            continue
        if model.categories and not model.are_categories_matched and feature in model.used:
            raise DataError(
                f"[task.base.path] column {facts.names[column]!r} holds categories, but the model does not say which of its "
                "lists of categories is its own: some columns of pandas had an order. Train it on categories without an order."
            )
        lists = model.categories.get(feature, ()) if model.are_categories_matched else ()
        codes = {str(value): code for code, value in enumerate(lists[0])} if lists else {}
        values = [codes.get(str(value), np.nan) if lists else value if isinstance(value, int) else np.nan for value in own]
        found[feature] = np.array([*values, np.nan], dtype=np.float32)
    return found


def with_categories(block: NDArray[Any], values: Mapping[int, NDArray[np.float32]]) -> NDArray[Any]:
    """`[items, features]`, with what a model reads in place of the codes of categories; `values` is from `model_categories`."""
    for feature, read in values.items():
        codes = block[:, feature]
        is_known = (codes >= 0) & (codes < len(read) - 1)
        block[:, feature] = read[np.where(is_known, codes, len(read) - 1).astype(np.int64)]
    return block


def _values(part: QuerySubset, column: int) -> NDArray[np.float32]:
    return np.unique(read_column(part.data.features, part.items, column))


def _number(category: object) -> float | None:
    """The number that stands for a category in data, if it is one or its text is one."""
    try:
        return float(category)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
