"""A LightGBM model as the attributes of ONNX's operator `TreeEnsembleRegressor`, to be read in 64 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from moft.files.lightgbm.fold_columns import ZERO
from moft.files.lightgbm.model_text import CATEGORICAL, DEFAULT_LEFT, MISSING_BITS, MISSING_IS_NAN, MISSING_IS_ZERO, tree_texts

Reading = Literal["number", "zero-is-missing", "code"]
"""How a tree reads a column: as it is, with NaN in place of zeros, or without what is after the decimal point."""

NO_CODE = -0.5
"""What no code is equal to, for an empty set."""


@dataclass
class OnnxTrees:
    """Attributes of the operator, without `nodes_values` and `target_weights`, which are tensors of 64 bits.

    Args:
        columns: what each input of the trees is: a column, from 0, and how it is read.
        nodes: by attribute, without the prefix `nodes_`, but for the modes.
        modes: of the nodes.
        targets: by attribute, without the prefix `target_`.
        values: of the nodes: thresholds, and codes of categories.
        weights: of the leaves.
        zero: up to here, a number is 0.
    """

    columns: dict[tuple[int, Reading], int] = field(default_factory=dict)
    nodes: dict[str, list[int]] = field(default_factory=dict)
    modes: list[str] = field(default_factory=list)
    targets: dict[str, list[int]] = field(default_factory=dict)
    values: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    zero: float = ZERO

    def node(self, tree: int, number: int, column: int, mode: str, value: float, children: tuple[int, int], missing: int) -> None:
        """Adds a node; what is missing takes the true branch, to the first child, where `missing` is 1."""
        true, false = children
        keys = ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids", "missing_value_tracks_true")
        for key, entry in zip(keys, (tree, number, column, true, false, missing), strict=True):
            self.nodes.setdefault(key, []).append(entry)
        self.modes.append(mode)
        self.values.append(value)

    def leaf(self, tree: int, number: int, output: int, weight: float) -> None:
        """Adds a leaf, whose weight is added to an output."""
        self.node(tree, number, 0, "LEAF", 0.0, (0, 0), 0)
        for key, entry in (("treeids", tree), ("nodeids", number), ("ids", output)):
            self.targets.setdefault(key, []).append(entry)
        self.weights.append(weight)


def onnx_trees(texts: Sequence[str]) -> OnnxTrees:
    """The trees of several models, each of which gives an output; a set of categories becomes a chain of nodes.

    Args:
        texts: of the models, each the `text` of a `TreeModel`.

    Raises:
        ValueError: one has linear leaves, which the operator has not.
    """
    found = OnnxTrees()
    for number, (output, tree) in enumerate((output, tree) for output, text in enumerate(texts) for tree in tree_texts(text)):
        given = {key: value.split() for key, _, value in (line.partition("=") for line in tree.split("\n") if line)}
        _add(found, number, output, given)
    return found


def _add(found: OnnxTrees, tree: int, output: int, given: Mapping[str, Sequence[str]]) -> None:
    if "is_linear" in given:
        raise ValueError("the trees have linear leaves")
    columns, kinds, left, right = (
        [int(value) for value in given.get(key, ())] for key in ("split_feature", "decision_type", "left_child", "right_child")
    )
    leaves = [float(value) for value in given["leaf_value"]]
    count, further = len(columns), len(columns) + len(leaves)
    for node, (column, kind) in enumerate(zip(columns, kinds, strict=True)):
        children = [child if child >= 0 else count + ~child for child in (left[node], right[node])]
        if kind & CATEGORICAL:
            place = found.columns.setdefault((column, "code"), len(found.columns))
            codes = _set(given, int(given["threshold"][node]))
            chain = [node, *range(further, further + len(codes) - 1)]
            further += len(codes) - 1
            for at, after, code in zip(chain, [*chain[1:], children[1]], codes, strict=True):
                found.node(tree, at, place, "BRANCH_EQ", code, (children[0], after), 0)
            continue
        missing, threshold = kind & MISSING_BITS, float(given["threshold"][node])
        reading: Reading = "zero-is-missing" if missing == MISSING_IS_ZERO else "number"
        is_left = bool(kind & DEFAULT_LEFT) if missing in (MISSING_IS_NAN, MISSING_IS_ZERO) else threshold >= 0
        if missing != MISSING_IS_ZERO:  # numbers up to ZERO count as 0
            threshold = -ZERO * (1 + 1e-9) if -ZERO <= threshold < 0 else threshold if threshold < 0 else max(threshold, ZERO)
        place = found.columns.setdefault((column, reading), len(found.columns))
        found.node(tree, node, place, "BRANCH_LEQ", threshold, (children[0], children[1]), int(is_left))
    for leaf, value in enumerate(leaves):
        found.leaf(tree, count + leaf, output, value)


def _set(given: Mapping[str, Sequence[str]], number: int) -> list[float]:
    """The codes of a set of categories; `NO_CODE` if there is none."""
    begin, end = (int(word) for word in given["cat_boundaries"][number : number + 2])
    words = [int(word) for word in given["cat_threshold"][begin:end]]
    return [float(code) for code in range(32 * len(words)) if words[code // 32] >> code % 32 & 1] or [NO_CODE]
