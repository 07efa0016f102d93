"""The text of LightGBM models: no valid one is refused, and no damaged one reaches LightGBM."""

from __future__ import annotations

import random
import re
import string

import numpy as np
import pytest

from moft import DataError
from moft.api import load_booster, parse_lightgbm
from tests.plugins.moft_ltr.base.conftest import MODELS


def with_sizes(text):
    """A model's text whose `tree_sizes` are right, so that a damage is not found by them."""
    head, _, rest = text.partition("\nTree=")
    body, end, after = rest.partition("\nend of trees")
    trees = ("Tree=" + body + "\n").replace("\nTree=", "\n\0Tree=").split("\0")
    sizes = " ".join(str(len(tree.encode())) for tree in trees)
    return re.sub("tree_sizes=.*", f"tree_sizes={sizes}", head) + "\n" + "".join(trees)[:-1] + end + after


@pytest.mark.parametrize("kind", MODELS)
def test_a_valid_model_scores_as_lightgbm_itself(kind, example):
    found = example(kind)
    booster = load_booster(parse_lightgbm(found.text))
    for rows in (found.rows, found.rows * 100, np.zeros_like(found.rows), np.full_like(found.rows, np.nan)):
        assert np.array_equal(booster.predict(rows, raw_score=True), found.booster.predict(rows, raw_score=True))
    assert parse_lightgbm(found.text).names == tuple(found.booster.feature_name())


def test_a_random_forest_stays_one_whose_trees_are_averaged(example):
    found = example("rf-regression")
    assert np.array_equal(load_booster(parse_lightgbm(found.text)).predict(found.rows), found.booster.predict(found.rows))
    assert "average_output" not in parse_lightgbm(example("regression").text).text


def test_a_model_of_some_of_its_trees_a_file_without_sizes_and_one_without_parameters_are_read(example):
    found = example("lambdarank")
    for text in (
        found.booster.model_to_string(num_iteration=2),
        re.sub("tree_sizes=.*\n", "", found.text),
        found.text.partition("\nparameters:")[0] + "\n",
    ):
        assert load_booster(parse_lightgbm(text)).num_trees() == text.count("\nTree=")


def test_features_that_are_used_and_those_with_missing_values_are_told(example):
    assert not len(parse_lightgbm(example("lambdarank").text).missing)
    model = parse_lightgbm(example("missing").text)
    assert 0 in model.missing
    assert set(model.missing) <= set(model.used) <= set(range(6))
    assert not len(parse_lightgbm(example("zero-as-missing").text).missing)
    assert not len(parse_lightgbm(example("one-leaf").text).used)


DAMAGES = [
    ("num_leaves=7", "num_leaves=8", "tree 0: leaf_value has 7 numbers, not 8"),
    ("num_leaves=7", "num_leaves=0", "tree 0: num_leaves is 0"),
    ("num_leaves=7", "num_leaves=-7", "tree 0: num_leaves is '-7', not a number of 0 or more"),
    ("num_leaves=7", "num_leaves=\u0667", "num_leaves is"),
    ("num_leaves=7\n", "num_leaves=7\nnum_leaves=7\n", "tree 0: 'num_leaves' is there twice"),
    ("split_feature=", "split_feature=99 ", "tree 0: split_feature has 7 numbers, not 6"),
    (r"split_feature=\d+", "split_feature=6", "tree 0: split_feature has 6, which is not from 0 to 5"),
    (r"split_feature=\d+", "split_feature=-1", "tree 0: split_feature has -1"),
    (r"left_child=-?\d+", "left_child=99", "tree 0: left_child has 99, which is not from -7 to 5"),
    (r"left_child=-?\d+", "left_child=0", "do not name every node and leaf once"),
    (r"leaf_value=\S+", "leaf_value=nan", "tree 0: leaf_value has something other than finite numbers"),
    (r"leaf_value=\S+", "leaf_value=1e999", "tree 0: leaf_value has a number that is not finite"),
    (r"leaf_value=\S+", "leaf_value=1_0", "leaf_value has something other"),
    (r"threshold=\S+", "threshold=inf", "threshold has something other"),
    (r"decision_type=\d+", "decision_type=12", "decision_type has 12"),
    (r"decision_type=\d+", "decision_type=1", "a threshold is not the number of one of its 0 sets of categories"),
    ("decision_type=", "decision_typd=", "'decision_typd' is not a line of a tree"),
    ("max_feature_idx=5", "max_feature_idx=4", "header: max_feature_idx is 4, but feature_names has 6 names"),
    ("num_class=1", "num_class=0x1", "header: num_class is '0x1', not a number of 0 or more"),
    ("num_class=1\n", "num_class=3\n", "gives 3 scores for each document"),
    ("num_tree_per_iteration=1\n", "num_tree_per_iteration=2\n", "gives 2 scores for each document"),
    ("Tree=1\n", "Tree=2\n", "'Tree=2' stands where Tree=1 should"),
    ("\nend of trees", "\nend of tree", "'end of trees' is missing"),
    ("is_linear=0", "is_linear=1", "tree 0: leaf_const is missing"),
]


@pytest.mark.parametrize(("before", "after", "message"), DAMAGES)
def test_a_damage_is_told_with_its_place(before, after, message, example):
    text = example("lambdarank").text
    changed = re.sub(before, after, text, count=1)
    assert changed != text
    with pytest.raises(DataError, match=re.escape(message)) as error:
        parse_lightgbm(with_sizes(changed) if "\nend of trees" in changed else changed)
    assert str(error.value).startswith("[task.base.path] the LightGBM model ")
    assert "\n" not in str(error.value)


def test_nodes_that_point_at_each_other_are_refused(example):
    """LightGBM would follow them for ever, or never reach most of the tree."""
    text = example("lambdarank").text
    text = re.sub("left_child=.*", "left_child=-1 2 1 4 -5 -6", text, count=1)
    text = re.sub("right_child=.*", "right_child=-2 -3 -4 3 5 -7", text, count=1)
    with pytest.raises(DataError, match=r"tree 0: \d nodes cannot be reached from its root|name every node and leaf once"):
        parse_lightgbm(with_sizes(text))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (r"cat_boundaries=0 \d+", "cat_boundaries=1 9", "cat_threshold has"),
        (r"cat_boundaries=0", "cat_boundaries=1", "cat_boundaries do not ascend from 0"),
        (r"cat_boundaries=0 \d+", "cat_boundaries=0", "cat_boundaries has"),
        (r"cat_threshold=\d+", "cat_threshold=4294967296", "cat_threshold has 4294967296"),
        (r"num_cat=[1-9]", "num_cat=9", "cat_boundaries has"),
    ],
)
def test_sets_of_categories_are_checked(before, after, message, example):
    text = example("categories").text
    changed = re.sub(before, after, text, count=1)
    assert changed != text
    with pytest.raises(DataError, match=re.escape(message)):
        parse_lightgbm(with_sizes(changed))


def mutated(text, draws):
    """A text with one random damage."""
    kind, at = draws.randrange(7), draws.randrange(len(text))
    if kind == 0:
        return text[:at] + draws.choice(string.printable + "\0\u0663") + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + draws.choice([1, 2, 5, 50, 500]) :]
    if kind == 2:
        return text[:at]
    if kind == 3:
        number = draws.choice(list(re.finditer(r"-?\d+", text)))
        wrong = ["0", "-1", "1", "7", "99", "2147483647", "-2147483648", "99999999999", "nan", "inf", "1e999", ""]
        return text[: number.start()] + draws.choice(wrong) + text[number.end() :]
    lines = text.split("\n")
    one, other = draws.randrange(len(lines)), draws.randrange(len(lines))
    if kind == 4:
        lines[one], lines[other] = lines[other], lines[one]
    elif kind == 5:
        lines.insert(other, lines[one])
    else:
        del lines[one]
    return "\n".join(lines)


def test_two_thousand_random_damages_neither_crash_nor_give_scores_that_are_no_numbers(example):
    draws, examples = random.Random(0), [example(kind) for kind in MODELS]
    told = []
    for count in range(2000):
        found = draws.choice(examples)
        text = mutated(found.text, draws)
        if count % 2:
            text = with_sizes(text)
        try:
            booster = load_booster(parse_lightgbm(text))
        except DataError as error:
            told.append(str(error))
        else:
            assert np.isfinite(booster.predict(np.nan_to_num(found.rows[:5]), raw_score=True)).all()
    assert len(told) > 500
    assert not any("\n" in message for message in told)
