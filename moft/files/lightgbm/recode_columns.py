"""Gives the columns of a LightGBM model other codes: what a split does with each code becomes a set of categories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from moft.files.lightgbm.fold_columns import goes_left
from moft.files.lightgbm.model_text import CATEGORICAL, model_fields, tree_texts, written_model


def recode_columns(text: str, values: Mapping[int, Sequence[float]]) -> str:
    """The text of a model that scores the codes 0, 1, ... of some columns as another one scores the values that they stand for.

    A missing value, and a code that stands for nothing, is scored as a missing value.

    Args:
        text: of the other model, the `text` of a `TreeModel`.
        values: by column, from 0, the value of each code; NaN for none.

    Raises:
        ValueError: a linear leaf reads one of these columns.
    """
    header = model_fields(text)
    trees = [_recoded(tree, values) for tree in tree_texts(text)]
    return written_model(trees, int(header["max_feature_idx"]) + 1, "average_output\n" if "average_output" in header else "")


def _recoded(tree: str, values: Mapping[int, Sequence[float]]) -> str:
    given = {key: value.split() for key, _, value in (line.partition("=") for line in tree.split("\n") if line)}
    if not values.keys().isdisjoint(map(int, given.get("leaf_features", ()))):
        raise ValueError("a linear leaf reads a column of categories")
    ends, words = given.get("cat_boundaries", ["0"]), given.get("cat_threshold", [])
    old = {"cat_boundaries": [*ends], "cat_threshold": [*words]}
    for node, column in enumerate(map(int, given.get("split_feature", ()))):
        if column not in values:
            continue
        kind, threshold = int(given["decision_type"][node]), given["threshold"][node]
        sides = [goes_left(value, kind, threshold, old) for value in (*values[column], math.nan)]
        if sides[-1]:  # what is not in a set goes right
            given["left_child"][node], given["right_child"][node] = given["right_child"][node], given["left_child"][node]
        codes = [code for code, side in enumerate(sides) if side != sides[-1]]
        given["decision_type"][node], given["threshold"][node] = str(CATEGORICAL), str(len(ends) - 1)
        words += [str(sum(1 << code % 32 for code in codes if code // 32 == word)) for word in range(len(sides) // 32 + 1)]
        ends.append(str(len(words)))
    if words:
        given |= {"num_cat": [str(len(ends) - 1)], "cat_boundaries": ends, "cat_threshold": words}
    return "".join(f"{key}={' '.join(line)}\n" for key, line in given.items())
