"""Checks that a user's LightGBM model scores the data as it would score the source of the data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft import ConfigError, DataError
from moft.api import TreeModel, booster_scores
from moft_ltr.base.pandas_categories import with_categories
from moft_ltr.base.source_lines import read_again
from moft_ltr.data.converted.dataset_folder import Floats, Integers
from moft_ltr.data.features.feature_scaling import feature_blocks
from moft_ltr.data.readers.table_columns import columns_text
from moft_ltr.data.splits import QuerySubset

TOLERANCE = 1e-6
"""Largest difference of two scores, as a share of the range of the sample's scores."""

SHOWN = 6
"""Features that a note names."""

BLOCK, ALONE = 4096, 1000
"""Documents that are scored at a time, and about how many have each feature alone taken for missing."""


def check_columns(
    model: TreeModel, columns: Integers, labels: Mapping[int, str], named: Mapping[str, int], *, are_listed: bool
) -> None:
    """Checks that a model's features are its first columns, or were listed, and that names that both sides know agree.

    Args:
        model: the model.
        columns: `[features]`, the column from 0 of each of its features.
        labels: whose label a column, from 1, is.
        named: column, from 1, of each label that the data names itself.
        are_listed: whether the user listed the columns of the model, and not only those of the tuned ranker.

    Raises:
        ConfigError: a feature would be read from a column that another one stands in, as far as can be known.
    """
    for feature in model.used:
        name, column = model.names[feature][:40], int(columns[feature]) + 1
        where = f"[task.base.columns] feature {feature + 1} of the LightGBM model"
        if column != feature + 1 and not are_listed:
            before = next((label for label in sorted(labels) if label < column), None)
            if before is None or column < feature + 1:
                why = "by task.exclude or task.features"
            else:
                why = f"because column {before} is the label of {labels[before]!r} and no input"
            raise ConfigError(
                f"{where} ({name!r}) would be read from column {column}, {why}. List the columns that the model reads here, "
                "in its order."
            )
        if named.get(name, column) != column and not are_listed:
            raise ConfigError(
                f"{where} is {name!r}, but would be read from column {column}, and the data says that {name!r} is column "
                f"{named[name]}. List the columns that the model reads here, in its order."
            )


def named_columns(model: TreeModel, names: Sequence[str], source: str = "") -> Integers | None:
    """`[features]`, the column from 0 that has the name of each feature of a model; None where one side has no names.

    Args:
        model: the model.
        names: of the columns of the data; empty if they have none.
        source: of the data, for the message.

    Raises:
        DataError: the data has no column of this name.
    """
    if not names or all(re.fullmatch(r"Column_[0-9]+", name) for name in model.names):
        return None
    numbers = {name.replace(" ", "_"): number for number, name in enumerate(names)}  # as LightGBM writes them
    for feature, name in enumerate(model.names, start=1):
        if name not in numbers:
            raise DataError(
                f"{source}: has no column {name[:40]!r}, which is feature {feature} of the LightGBM model; "
                f"{columns_text(name, names)}. List the columns that the model reads, in its order, in task.base.columns."
            )
    return np.array([numbers[name] for name in model.names], dtype=np.int64)


def column_notes(
    model: TreeModel, columns: Integers, labels: Mapping[int, str], named: Mapping[str, int], *, are_named: bool = False
) -> Iterator[str]:
    """Sentences on what a reader has to know of the columns that a model reads.

    Args:
        model: the model.
        columns: `[features]`, the column from 0 of each of its features.
        labels: whose label a column, from 1, is.
        named: column, from 1, of each label that the data names itself.
        are_named: whether the columns have the names of the features.
    """
    for feature in model.used:
        name, column = model.names[feature][:40], int(columns[feature]) + 1
        if named.get(name, column) != column:
            yield (
                f"The base model's feature {name!r} is read from column {column}, as task.base.columns says. The data has a "
                f"label of the same name in column {named[name]}."
            )
    for column in sorted({int(columns[feature]) + 1 for feature in model.used} & labels.keys()):
        yield (
            f"The base model reads column {column}, the label of {labels[column]!r}: its scores know this label, "
            "so that results for it are too good."
        )
    if not are_named and not all(re.fullmatch(r"Column_[0-9]+", name) for name in model.names):
        shown = ", ".join(f"{model.names[feature][:40]} from {columns[feature] + 1}" for feature in model.used[:SHOWN])
        rest = f" and {len(model.used) - SHOWN} more" if len(model.used) > SHOWN else ""
        yield f"The base model reads its features by column: {shown}{rest}. The data has no names to check this with."


def check_missing(booster: Any, model: TreeModel, part: QuerySubset, columns: Integers) -> None:
    """Checks that no zero in the data could be a missing value that the model scores in another way.

    All zeros of a document are replaced at once, in every document, and each alone, in about `ALONE` documents per feature.

    Raises:
        DataError: one could; the message names its column.
    """
    if not len(model.missing):
        return
    share = -(-ALONE * BLOCK // max(len(part.items), BLOCK))
    for rows in feature_blocks(part.data.features, part.items, columns, BLOCK):
        block = rows[(rows[:, model.missing] == 0).any(axis=1)]
        if not len(block):
            continue
        is_zero, scores = block[:, model.missing] == 0, booster_scores(booster, block)
        lost = block.copy()
        lost[:, model.missing] = np.where(is_zero, np.nan, lost[:, model.missing])
        changed = scores != booster_scores(booster, lost)
        lossy = is_zero[changed].sum(axis=0)
        if not changed.any():  # the effects of several may cancel out
            lossy = _changed_alone(booster, model, block, scores, is_zero & (is_zero.cumsum(axis=0) <= share))
        if lossy.any():
            feature = model.missing[lossy.argmax()]
            why = "may have been trained on missing values"
            if feature in model.by_set:
                why = "was trained on missing values or on rare categories"
            raise DataError(
                f"{part.data.source}: column {columns[feature] + 1} is zero in some documents. The LightGBM model {why} of this "
                f"feature ({model.names[feature][:40]!r}) and scores missing values otherwise than zeros, but the data cannot "
                "tell the two apart. Use a column of scores as task.base, or set task.base.missing: zero if every zero is a "
                "value."
            )


def _changed_alone(
    booster: Any, model: TreeModel, block: Floats, scores: NDArray[np.float64], are_tried: NDArray[np.bool_]
) -> Integers:
    """`[missing]`, how many documents get another score when one value alone is missing.

    Args:
        booster: the model.
        model: what its file says.
        block: `[items, features]`.
        scores: `[items]`, of these.
        are_tried: `[items, missing]`, the values to try.
    """
    found = np.zeros(len(model.missing), dtype=np.int64)
    items, places = np.nonzero(are_tried)
    for start in range(0, len(items), BLOCK):
        item, place = items[start : start + BLOCK], places[start : start + BLOCK]
        lost = block[item]
        lost[np.arange(len(item)), model.missing[place]] = np.nan
        np.add.at(found, place, scores[item] != booster_scores(booster, lost))
    return found


def check_against_source(
    booster: Any, part: QuerySubset, columns: Integers, categories: Mapping[int, NDArray[np.float32]]
) -> None:
    """Checks that some documents have the scores that the model gives to the numbers in the text file or table.

    Args:
        booster: the model.
        part: the queries.
        columns: `[features]`, the column from 0 of each of its features.
        categories: from `model_categories`.

    Raises:
        DataError: one has not; the message names its line or row.
    """
    sample = read_again(part, columns)
    if sample is None:
        return
    expected = booster_scores(booster, with_categories(sample.rows, categories))
    blocks = feature_blocks(part.data.features, sample.items, columns)
    found = np.concatenate([booster_scores(booster, with_categories(block, categories)) for block in blocks])
    off = np.abs(expected - found) > TOLERANCE * np.ptp(expected)
    if off.any():
        first, line = int(off.argmax()), "row" if part.data.facts.is_table else "line"
        raise DataError(
            f"{sample.places[first]}: the LightGBM model scores this {line} {expected[first]:.9g}, but "
            f"{found[first]:.9g} after moft has read it with 32 bits (documents that differ: "
            f"{int(off.sum())} of {len(off)}). Use a column of scores as task.base, or train the model on 32-bit features."
        )
