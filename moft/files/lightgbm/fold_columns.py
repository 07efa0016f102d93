"""Removes columns of known values from the text of a LightGBM model: every split on them is decided once and for all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from moft.files.lightgbm.model_text import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING_BITS,
    MISSING_IS_NAN,
    MISSING_IS_ZERO,
    model_fields,
    tree_texts,
    written_model,
)

ZERO = 1.0000000180025095e-35
"""LightGBM takes a number for 0 up to here: 1e-35 with 32 bits."""


def fold_columns(text: str, values: Mapping[int, float]) -> str:
    """The text of a model without some columns, whose scores are to the bit those of another one where these have known values.

    Each tree keeps its place, also one of which only a constant is left. The other columns move up.

    Args:
        text: of the other model, the `text` of a `TreeModel`.
        values: by column, from 0; finite or NaN. At least one column has none.

    Raises:
        ValueError: a linear leaf reads one of these columns.
    """
    header = model_fields(text)
    rest = [column for column in range(int(header["max_feature_idx"]) + 1) if column not in values]
    places = {column: place for place, column in enumerate(rest)}
    known = {column: 0.0 if abs(value) <= ZERO else value for column, value in values.items()}
    trees = [_folded(tree, known, places) for tree in tree_texts(text)]
    return written_model(trees, len(rest), "average_output\n" if "average_output" in header else "")


def _folded(tree: str, values: Mapping[int, float], places: Mapping[int, int]) -> str:
    """A tree without the splits on columns of known values; `places` has the new number of each other column."""
    given = {key: value.split() for key, _, value in (line.partition("=") for line in tree.split("\n") if line)}
    columns, kinds, left, right = (
        [int(value) for value in given.get(key, ())] for key in ("split_feature", "decision_type", "left_child", "right_child")
    )

    def end_of(child: int) -> int:
        """The first node or leaf from `child` on that no known value decides."""
        while child >= 0 and columns[child] in values:
            is_left = goes_left(values[columns[child]], kinds[child], given["threshold"][child], given)
            child = left[child] if is_left else right[child]
        return child

    first = end_of(0 if columns else -1)
    nodes, pairs = [first] if first >= 0 else [], list[tuple[int, int]]()
    for node in nodes:  # which grows
        pairs.append((end_of(left[node]), end_of(right[node])))
        nodes += [child for child in pairs[-1] if child >= 0]
    leaves = [child for pair in pairs for child in pair if child < 0] or [first]
    numbers: dict[int, int] = {node: number for number, node in enumerate(nodes)}
    numbers |= {leaf: ~number for number, leaf in enumerate(leaves)}
    found: dict[str, Sequence[object]] = {
        "num_leaves": [len(leaves)],
        "num_cat": given["num_cat"] if nodes else [0],
        "leaf_value": [given["leaf_value"][~leaf] for leaf in leaves],
    }
    if nodes:
        found |= {
            "split_feature": [places[columns[node]] for node in nodes],
            "threshold": [given["threshold"][node] for node in nodes],
            "decision_type": [kinds[node] for node in nodes],
            "left_child": [numbers[pair[0]] for pair in pairs],
            "right_child": [numbers[pair[1]] for pair in pairs],
        }
        found |= {key: given[key] for key in ("cat_boundaries", "cat_threshold") if key in given}
    if "is_linear" in given:
        found |= _linear(given, leaves, values, places)
    return "".join(f"{key}={' '.join(map(str, line))}\n" for key, line in found.items())


def _linear(
    given: Mapping[str, Sequence[str]], leaves: Sequence[int], values: Mapping[int, float], places: Mapping[int, int]
) -> dict[str, Sequence[object]]:
    """The lines of linear leaves, of which `leaves`, from -1 down, are kept."""
    counts, chosen = [int(count) for count in given["num_features"]], list[int]()
    for leaf in leaves:
        begin = sum(counts[:~leaf])
        chosen += range(begin, begin + counts[~leaf])
    read = [int(given["leaf_features"][place]) for place in chosen]
    if not values.keys().isdisjoint(read):
        raise ValueError("a linear leaf reads a column that is to be folded")
    return {
        "is_linear": [1],
        "leaf_const": [given["leaf_const"][~leaf] for leaf in leaves],
        "num_features": [counts[~leaf] for leaf in leaves],
        "leaf_features": [places[column] for column in read],
        "leaf_coeff": [given["leaf_coeff"][place] for place in chosen],
    }


def goes_left(value: float, kind: int, threshold: str, tree: Mapping[str, Sequence[str]]) -> bool:
    """Where LightGBM sends a value at a node of a tree."""
    if kind & CATEGORICAL:
        begin, end = (int(word) for word in tree["cat_boundaries"][int(threshold) : int(threshold) + 2])
        code = -1 if math.isnan(value) else int(value)
        return 0 <= code < 32 * (end - begin) and bool(int(tree["cat_threshold"][begin + code // 32]) >> code % 32 & 1)
    missing = kind & MISSING_BITS
    if math.isnan(value) and missing != MISSING_IS_NAN:
        value = 0.0
    if (missing == MISSING_IS_NAN and math.isnan(value)) or (missing == MISSING_IS_ZERO and value == 0):
        return bool(kind & DEFAULT_LEFT)
    return value <= float(threshold)
