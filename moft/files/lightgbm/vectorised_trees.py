"""Scores of a LightGBM model with numpy: all documents go down all trees together, faster than LightGBM takes them one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from moft.files.lightgbm.booster import booster_scores, load_booster
from moft.files.lightgbm.fold_columns import ZERO
from moft.files.lightgbm.model_text import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING_BITS,
    MISSING_IS_NAN,
    MISSING_IS_ZERO,
    Integers,
    TreeModel,
    model_fields,
    tree_texts,
)

Floats = NDArray[np.float32]

WHOLE = 4
"""Levels from the root of which every node is tested, since that costs less than to look up which one is reached."""

PAIRS = 45_000
"""Trees times documents at a time; more do not stay in the cache."""

FEW = 1000
"""Of so few pairs on their way, it costs less to move those that have arrived, too."""


class VectorisedTrees:
    """The raw scores of a LightGBM model, to the bit.

    Args:
        text: of a model that `are_vectorised` admits, the `text` of a `TreeModel`.
    """

    def __init__(self, text: str) -> None:
        self._columns = int(model_fields(text)["max_feature_idx"]) + 1
        feature, threshold, left, right, value, level = _flat(text, self._columns)
        trees, inner, tests = len(level), int(np.isnan(value).sum()), list[Integers]()
        for _ in range(WHOLE):
            tests.append(level.reshape(trees, -1).T.ravel())  # [2^depth * trees]
            level = np.stack([left[level], right[level]], axis=1).ravel()
        below, children, begin = [level], list[Integers](), 0
        while len(level):  # so that siblings are neighbours
            is_inner, end = level < inner, begin + len(level)
            children.append(np.where(is_inner, end + 2 * (is_inner.cumsum() - 1), np.arange(begin, end)))
            begin, level = end, np.stack([left[level[is_inner]], right[level[is_inner]]], axis=1).ravel()
            below.append(level)
        nodes, tops = np.concatenate(below), np.concatenate(tests)
        self._child, self._threshold, self._value = np.concatenate(children), threshold[nodes], value[nodes]
        different, first, places = np.unique(
            np.stack([feature, threshold.view(np.int32)], axis=1)[tops], axis=0, return_index=True, return_inverse=True
        )
        self._tests, self._against = len(different), threshold[tops[first], None]
        self._places = np.split(places.ravel(), np.cumsum([len(test) for test in tests])[:-1])
        read = np.concatenate([different[:, 0], feature[nodes]])  # by the tests, and then by the nodes below
        self._features = read % self._columns, read
        self._entry = np.arange(trees)[:, None] << WHOLE
        self._numbers = lru_cache(maxsize=16)(lambda count: np.tile(np.arange(count), trees))

    def __call__(self, rows: Floats) -> NDArray[np.float64]:
        """`[n]`, of rows `[n, features]` without infinite numbers; NaN where one is missing."""
        size = max(1, PAIRS // len(self._entry))
        parts = [self._scores(rows[begin : begin + size]) for begin in range(0, len(rows), size)]
        return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0), *parts])

    def _scores(self, rows: Floats) -> NDArray[np.float64]:
        count, features, table = len(rows), self._features[0], np.ascontiguousarray(rows.T)
        lost = np.isnan(table)
        if lost.any():
            features, table = self._features[1], np.concatenate([table, np.where(lost, np.float32(np.inf), table)])
        is_right = (table.take(features[: self._tests], axis=0) > self._against).view(np.uint8)  # [tests, count]
        entry: NDArray[np.uint8] = np.zeros((len(self._entry), count), dtype=np.uint8)
        turns: list[NDArray[np.uint8]] = []
        for depth, places in enumerate(self._places):
            found = is_right.take(places, axis=0).reshape(*(2,) * depth, *entry.shape)
            for turn in turns:
                found = found[0] ^ ((found[0] ^ found[1]) & turn)
            turns.append(found)
            entry += entry
            entry += found
        at = entry.astype(np.int64)
        at += self._entry
        at = reached = at.ravel()
        flat, feature, numbers = table.ravel(), features[self._tests :] * count, self._numbers(count)
        moving: Integers | None = None
        while len(at):
            before = at
            for _ in range(2 if len(at) > FEW else 4):  # only then are those that have reached a leaf left out
                before, place = at, feature.take(at, mode="wrap")
                place += numbers
                is_above = flat.take(place, mode="wrap") > self._threshold.take(at, mode="clip")
                at = self._child.take(at, mode="wrap")
                at += is_above
            still = (at != before).nonzero()[0]
            if moving is None:
                reached, moving = at, still
            else:
                reached[moving] = at
                moving = moving.take(still, mode="wrap")
            at, numbers = at.take(still, mode="wrap"), numbers.take(still, mode="clip")
        values = self._value.take(reached, mode="wrap").reshape(entry.shape)
        scores: NDArray[np.float64] = values.cumsum(axis=0)[-1] if count == 1 else values.sum(axis=0)  # tree by tree in both
        return scores


def tree_scores(model: TreeModel, where: str) -> Callable[[Floats], NDArray[np.float64]]:
    """Gives the raw scores `[n]` of rows `[n, features]` without infinite numbers: `VectorisedTrees`, or else a booster.

    Args:
        model: the trees.
        where: what the model is, the beginning of a message.
    """
    if are_vectorised(model.text):
        return VectorisedTrees(model.text)
    booster = load_booster(model, where, "method")
    return lambda rows: booster_scores(booster, rows, where)


def are_vectorised(text: str) -> bool:
    """Whether the trees of a model have neither sets of categories, nor zeros that count as missing, nor linear leaves."""
    if "average_output" in model_fields(text):
        return False
    for tree in tree_texts(text):
        lines = dict(line.split("=", 1) for line in tree.split("\n") if line)
        kinds = np.unique(np.array(lines.get("decision_type", "").split(), dtype=np.int64))
        if "is_linear" in lines or (kinds & CATEGORICAL).any() or ((kinds & MISSING_BITS) == MISSING_IS_ZERO).any():
            return False
    return True


def _flat(text: str, columns: int) -> tuple[Integers, Floats, Integers, Integers, NDArray[np.float64], Integers]:
    """The nodes of all trees, and after them their leaves: feature, threshold, left and right child, value; and the roots.

    A value is left where it is not above the threshold. Features from `columns` on are the same ones again, with infinity where
    a number is missing, which then goes right, and not left. A node has the value NaN, and a leaf is its own child.
    """
    trees = [dict(line.split("=", 1) for line in tree.split("\n") if line) for tree in tree_texts(text)]

    def joined(key: str, dtype: type) -> NDArray[np.generic]:
        return np.array(" ".join(tree.get(key, "") for tree in trees).split(), dtype=dtype)

    leaves = np.array([int(tree["num_leaves"]) for tree in trees])
    nodes = leaves - 1
    first, first_leaf = np.cumsum(nodes) - nodes, nodes.sum() + np.cumsum(leaves) - leaves
    own = np.arange(nodes.sum(), nodes.sum() + leaves.sum())
    left, right = (
        np.where(child >= 0, np.repeat(first, nodes) + child, np.repeat(first_leaf, nodes) + ~child)
        for child in (joined("left_child", np.int64).astype(np.int64), joined("right_child", np.int64).astype(np.int64))
    )
    told, kinds = joined("threshold", np.float64).astype(np.float64), joined("decision_type", np.int64).astype(np.int64)
    is_left = np.where((kinds & MISSING_BITS) == MISSING_IS_NAN, (kinds & DEFAULT_LEFT) > 0, told >= 0)
    feature = joined("split_feature", np.int64).astype(np.int64) + columns * ~is_left
    value = np.concatenate([np.full(nodes.sum(), np.nan), joined("leaf_value", np.float64).astype(np.float64)])
    threshold = np.concatenate([_rounded(told), np.full(leaves.sum(), np.inf, dtype=np.float32)])
    feature = np.concatenate([feature, np.zeros(leaves.sum(), dtype=np.int64)])
    roots = np.where(nodes > 0, first, first_leaf)
    return feature, threshold, np.concatenate([left, own]), np.concatenate([right, own]), value, roots


def _rounded(thresholds: NDArray[np.float64]) -> Floats:
    """Thresholds with 32 bits that the same numbers with 32 bits are above as are, for LightGBM, above the given ones."""
    below = np.float64(np.nextafter(np.float32(-ZERO), np.float32(-np.inf)))
    apart = np.where(thresholds < 0, np.where(thresholds >= -ZERO, below, thresholds), np.maximum(thresholds, ZERO))
    with np.errstate(over="ignore"):
        found = apart.astype(np.float32)
    found = np.where(found > apart, np.nextafter(found, np.float32(-np.inf)), found)
    return np.minimum(found, np.finfo(np.float32).max)
