"""Reads the text of a LightGBM model strictly: LightGBM itself reads beyond its memory where a number in it is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from moft.errors import DataError
from moft.files.json import parse_json

Integers = NDArray[np.int64]

CATEGORICAL, DEFAULT_LEFT, MISSING_BITS, MISSING_IS_ZERO, MISSING_IS_NAN = 1, 2, 12, 4, 8
"""Bits of a node's `decision_type`."""

DECISIONS = 12
"""Values of `decision_type` are below this: 1 for categories, 2 for missing values to the left, 4 or 8 for what is missing."""

INTEGERS = re.compile(r" *(?:-?[0-9]{1,10}(?: +-?[0-9]{1,10})*)? *")
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
NUMBERS = re.compile(rf" *(?:{_NUMBER}(?: +{_NUMBER})*)? *")
THRESHOLDS = re.compile(rf" *(?:(?:inf|{_NUMBER})(?: +(?:inf|{_NUMBER}))*)? *")
"""A split between all numbers and a missing value has an infinite threshold."""

END = "\nend of trees"
RESAVE = "Save the model again with save_model."
# fmt: off
KEYS = frozenset((
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight", "internal_count", "cat_boundaries",
    "cat_threshold", "is_linear", "leaf_const", "num_features", "leaf_features", "leaf_coeff", "shrinkage",
))
# fmt: on
"""Of a tree. Another one may change what the tree means."""


@dataclass(frozen=True, eq=False)
class TreeModel:
    """What a LightGBM model file says about its scores.

    Args:
        text: a model file of the same trees, written from the checked numbers alone, which LightGBM reads without harm.
        names: of the features, in order.
        used: `[k]`, the features, from 0, that the trees read.
        missing: `[k]`, those of them, from 0, that may have had missing values (NaN) in training, and whose NaN trees may score
            otherwise than 0: by the way that it is sent, or by a linear leaf, which falls back to a constant.
        by_set: `[k]`, those of them, from 0, that trees split by sets of categories.
        categories: by feature, from 0, the categories of pandas that its codes may stand for, in the order of the codes.
        are_categories_matched: whether it is known which feature has which of them.
    """

    text: str
    names: tuple[str, ...]
    used: Integers
    missing: Integers
    by_set: Integers
    categories: Mapping[int, Sequence[Sequence[Any]]]
    are_categories_matched: bool


class _DamagedError(Exception):
    """What is damaged in the text of a model, in words."""


def parse_lightgbm(text: str, where: str = "[task.base.path] the LightGBM model", advice: str = RESAVE) -> TreeModel:
    """Checks the whole text of a LightGBM model.

    Args:
        text: the text.
        where: what the model is, the beginning of a message.
        advice: what to do about a damaged model, the end of a message.

    Raises:
        DataError: it has an error, no tree, or more than one score for each document; the message says where.
    """
    try:
        return _parsed(text, where)
    except _DamagedError as error:
        raise DataError(f"{where} is damaged: {error}. {advice}") from error


def join_models(texts: Sequence[str]) -> str:
    """The text of the model whose scores are the sums of those of several models, with the trees of all of them in order.

    Args:
        texts: of the models, each the `text` of a `TreeModel`, with the same number of features.
    """
    bodies = [tree for text in texts for tree in tree_texts(text)]
    return written_model(bodies, int(model_fields(texts[0])["max_feature_idx"]) + 1)


def split_model(text: str, outputs: int) -> list[str]:
    """The texts of the models of each output of a model that LightGBM has just written.

    Args:
        text: of the model, which is not checked.
        outputs: how many scores it gives for each document.
    """
    bodies, features = tree_texts(text), int(model_fields(text)["max_feature_idx"]) + 1
    return [written_model(bodies[output::outputs], features) for output in range(outputs)]


def scaled_model(text: str, factor: float, columns: Sequence[int], features: int) -> str:
    """The text of a model with the raw scores of another one times a factor, which reads its features from other columns.

    Args:
        text: of the other model, the `text` of a `TreeModel`.
        factor: of the scores.
        columns: for each feature of the other model, the column, from 0, that it is read from.
        features: how many columns there are.
    """

    def scaled(line: str) -> str:
        key, _, values = line.partition("=")
        if key in ("leaf_value", "leaf_const", "leaf_coeff"):
            values = " ".join(repr(float(value) * factor) for value in values.split())
        elif key in ("split_feature", "leaf_features"):
            values = " ".join(str(columns[int(value)]) for value in values.split())
        return f"{key}={values}\n"

    trees = ("".join(scaled(line) for line in tree.split("\n") if line) for tree in tree_texts(text))
    return written_model([*trees], features)


def model_fields(text: str) -> dict[str, str]:
    """The values of the lines before the trees of a checked model, by key."""
    return _fields(text.partition("\nTree=")[0].split("\n")[1:], "header")


def tree_texts(text: str) -> list[str]:
    """The trees of a checked model, each without its first line."""
    return [tree.partition("\n")[2].rstrip("\n") + "\n" for tree in text.partition(END)[0].split("\nTree=")[1:]]


def written_model(trees: Sequence[str], features: int, further: str = "") -> str:
    """The text of a model with these trees, each without its first line, and with further lines of a header."""
    texts = [f"Tree={number}\n{tree}\n\n" for number, tree in enumerate(trees)]
    columns = " ".join(f"Column_{number}" for number in range(features))
    sizes = " ".join(str(len(tree)) for tree in texts)
    begin = f"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={features - 1}\n{further}"
    infos = " ".join(["none"] * features)
    return f"{begin}feature_names={columns}\nfeature_infos={infos}\ntree_sizes={sizes}\n\n{''.join(texts)}end of trees\n"


def _parsed(text: str, where: str) -> TreeModel:
    head, _, body = text.partition("\nTree=")
    if not body or END not in body:
        _damaged(f"{'Tree=0' if not body else END.strip()!r} is missing")
    header = _fields(head.split("\n")[1:], "header")
    scores = max(_count(header, "num_class", "header"), _count(header, "num_tree_per_iteration", "header", 1))
    if scores != 1:
        raise DataError(f"{where} gives {scores} scores for each document; a ranker gives one.")
    names = tuple(header.get("feature_names", "").split(" "))
    features = _count(header, "max_feature_idx", "header") + 1
    if len(names) != features:
        _damaged(f"header: max_feature_idx is {features - 1}, but feature_names has {len(names)} names")
    chunks = ("Tree=" + body.partition(END)[0] + "\n").replace("\nTree=", "\n\0Tree=").split("\0")
    _check_sizes(header, chunks)
    trees = [_Tree(chunk, number, features) for number, chunk in enumerate(chunks)]
    tail = body.partition(END)[2]
    if "\n[use_missing: 1]\n" in tail:  # then nodes tell of missing values
        for tree in trees:
            tree.linear = tree.linear[:0]
    used, missing, by_set = (
        np.unique(np.concatenate(parts))
        for parts in zip(*((tree.used, np.append(tree.missing, tree.linear), tree.by_set) for tree in trees), strict=True)
    )
    averaged = "average_output\n" if "average_output" in header else ""  # a random forest, whose trees are not summed
    safe = written_model([tree.text for tree in trees], features, averaged)
    return TreeModel(safe, names, used, missing, by_set, *_pandas_categories(tail, used))


class _Tree:
    """One tree, with every number checked that a score depends on.

    Args:
        chunk: its text, from `Tree=`.
        number: from 0.
        features: how many features the model has.
    """

    def __init__(self, chunk: str, number: int, features: int) -> None:
        self.where = f"tree {number}"
        first, *lines = chunk.split("\n")
        if first != f"Tree={number}":
            _damaged(f"{first[:40]!r} stands where Tree={number} should")
        self.given, self.lines = _fields(lines, self.where), list[str]()
        for key in self.given.keys() - KEYS:
            _damaged(f"{self.where}: {key[:40]!r} is not a line of a tree")
        leaves = _count(self.given, "num_leaves", self.where)
        categories = _count(self.given, "num_cat", self.where)
        if leaves < 1:
            _damaged(f"{self.where}: num_leaves is {leaves}")
        self.lines += [f"num_leaves={leaves}", f"num_cat={categories}"]
        nodes = leaves - 1
        self._numbers("leaf_value", leaves)
        self.used = self.missing = self.by_set = self.linear = np.zeros(0, dtype=np.int64)
        if nodes:
            self._nodes(nodes, features, categories)
        if _count(self.given, "is_linear", self.where, 0):
            self._linear(leaves, features)
        self.text = "\n".join(self.lines) + "\n"

    def _nodes(self, nodes: int, features: int, categories: int) -> None:
        self.used = self._integers("split_feature", nodes, 0, features)
        thresholds = self._values("threshold", nodes, THRESHOLDS, np.float64)
        kinds = self._integers("decision_type", nodes, 0, DECISIONS)
        if not np.isfinite(thresholds[(kinds & (MISSING_BITS | CATEGORICAL)) != MISSING_IS_NAN]).all():
            _damaged(f"{self.where}: threshold has something other than finite numbers")
        left, right = (self._integers(side, nodes, -nodes - 1, nodes) for side in ("left_child", "right_child"))
        if not np.array_equal(np.sort(np.concatenate([left, right])), np.delete(np.arange(-nodes - 1, nodes), nodes + 1)):
            _damaged(f"{self.where}: left_child and right_child do not name every node and leaf once")
        reached, level = 0, np.zeros(1, dtype=np.int64)
        while len(level):
            reached += len(level)
            level = np.concatenate([left[level], right[level]])
            level = level[level >= 0]
        if reached != nodes:
            _damaged(f"{self.where}: {nodes - reached} nodes cannot be reached from its root")
        self.missing = self.used[(kinds & MISSING_BITS) == MISSING_IS_NAN]
        self.by_set = self.used[(kinds & CATEGORICAL) == CATEGORICAL]
        sets = thresholds[(kinds & CATEGORICAL) == CATEGORICAL]
        if len(sets) and not np.isin(sets, np.arange(categories)).all():
            _damaged(f"{self.where}: a threshold is not the number of one of its {categories} sets of categories")
        if categories:
            ends = self._integers("cat_boundaries", categories + 1, 0, 2**31)
            words = self._integers("cat_threshold", int(ends[-1]), 0, 2**32)
            if ends[0] != 0 or (np.diff(ends) < 0).any() or len(words) != ends[-1]:
                _damaged(f"{self.where}: cat_boundaries do not ascend from 0 to {len(words)}")

    def _linear(self, leaves: int, features: int) -> None:
        self.lines.append("is_linear=1")
        self._numbers("leaf_const", leaves)
        counts = self._integers("num_features", leaves, 0, features + 1)
        self.linear = self._integers("leaf_features", int(counts.sum()), 0, features)
        self.used = np.concatenate([self.used, self.linear])
        self._numbers("leaf_coeff", int(counts.sum()))

    def _integers(self, key: str, count: int, low: int, end: int) -> Integers:
        """`[count]`, the integers of a line, from `low` to below `end`."""
        values = self._values(key, count, INTEGERS, np.int64)
        if ((values < low) | (values >= end)).any():
            wrong = values[(values < low) | (values >= end)][0]
            _damaged(f"{self.where}: {key} has {wrong}, which is not from {low} to {end - 1}")
        return values

    def _numbers(self, key: str, count: int) -> NDArray[np.float64]:
        """`[count]`, the finite numbers of a line."""
        values = self._values(key, count, NUMBERS, np.float64)
        if not np.isfinite(values).all():
            _damaged(f"{self.where}: {key} has a number that is not finite")
        return values

    def _values(self, key: str, count: int, form: re.Pattern[str], dtype: type) -> NDArray[Any]:
        line = self.given.get(key)
        if line is None:
            _damaged(f"{self.where}: {key} is missing")
        if not form.fullmatch(line):
            _damaged(f"{self.where}: {key} has something other than {'integers' if dtype is np.int64 else 'finite numbers'}")
        values: NDArray[Any] = np.fromstring(line, dtype=dtype, sep=" ") if line.strip() else np.zeros(0, dtype=dtype)
        if len(values) != count:
            _damaged(f"{self.where}: {key} has {len(values)} numbers, not {count}")
        self.lines.append(f"{key}={line}")
        return values


def _pandas_categories(tail: str, used: Integers) -> tuple[dict[int, list[list[Any]]], bool]:
    """The categories that a feature may have, and whether it is known which ones, from what follows the trees.

    A file lists the categories of all columns that pandas held as such, but of these only those without an order are categorical
    features for LightGBM. Where some have one, any feature may have any of the lists.
    """
    line = re.search(r"^pandas_categorical:(.*)$", tail, re.MULTILINE)
    try:
        lists = parse_json(line[1]) if line else None
    except ValueError as error:
        _damaged(f"pandas_categorical is no JSON ({error})")
    if not lists:
        return {}, True
    if not isinstance(lists, list) or not all(isinstance(categories, list) for categories in lists):
        _damaged("pandas_categorical is not a list of lists")
    told = re.search(r"^\[categorical_feature: ([0-9]{1,9}(?:,[0-9]{1,9})*)\]$", tail, re.MULTILINE)
    features = [int(feature) for feature in told[1].split(",")] if told else []
    if len(features) == len(lists):
        return {feature: [categories] for feature, categories in zip(features, lists, strict=True)}, True
    return dict.fromkeys(used.tolist(), lists), False


def _fields(lines: list[str], where: str) -> dict[str, str]:
    """The values of lines `KEY=VALUE` by key; a line without `=` has the value ''."""
    found: dict[str, str] = {}
    for line in filter(None, lines):
        key, _, value = line.partition("=")
        if key in found:
            _damaged(f"{where}: {key[:40]!r} is there twice")
        found[key] = value
    return found


def _count(fields: Mapping[str, str], key: str, where: str, default: int | None = None) -> int:
    """An integer of 0 or more."""
    value = fields.get(key, None if default is None else str(default))
    if value is None:
        _damaged(f"{where}: {key} is missing")
    if not re.fullmatch("[0-9]{1,9}", value):
        _damaged(f"{where}: {key} is {value[:40]!r}, not a number of 0 or more")
    return int(value)


def _check_sizes(header: Mapping[str, str], chunks: list[str]) -> None:
    """Checks the lengths of the trees in bytes, which files of newer versions hold."""
    if "tree_sizes" not in header:
        return
    told, found = header["tree_sizes"].split(), [len(chunk.encode()) for chunk in chunks]
    if len(told) != len(found):
        _damaged(f"it has {len(found)} trees, but tree_sizes has {len(told)} numbers")
    for number, (size, length) in enumerate(zip(told, found, strict=True)):
        if size != str(length):
            _damaged(f"tree {number} has {length} bytes, but tree_sizes says {size[:40]}")


def _damaged(what: str) -> NoReturn:
    raise _DamagedError(what)
