"""Categories of pandas: data with their codes are scored, data with their values are refused."""

from __future__ import annotations

import numpy as np
import pytest

from moft import DataError
from moft.api import parse_lightgbm
from moft_ltr.base.pandas_categories import check_categories

lightgbm = pytest.importorskip("lightgbm")
pandas = pytest.importorskip("pandas")


@pytest.fixture
def model():
    """A model that was trained on a frame whose first column, and maybe third, has these categories."""

    def made(categories, third=None):
        draws = np.random.default_rng(0)
        codes = draws.integers(0, len(categories), 300)
        frame = pandas.DataFrame({"kind": pandas.Categorical.from_codes(codes, categories), "size": draws.standard_normal(300)})
        labels = codes % 2 + frame["size"]
        if third:
            stars = draws.integers(0, len(third), 300)
            frame["stars"] = pandas.Categorical.from_codes(stars, third, ordered=True)
            labels = labels + stars
        given = {"objective": "regression", "verbosity": -1, "num_threads": 1, "min_data_per_group": 5, "cat_smooth": 1}
        return parse_lightgbm(lightgbm.train(given, lightgbm.Dataset(frame, labels), num_boost_round=5).model_to_string())

    return made


@pytest.fixture
def check(data_of, whole):
    """Checks a model on data with these values in column 1, and maybe in column 3."""

    def made(model, *first, third=()):
        rows = ((0, item, value, 0.5, *third[item : item + 1]) for item, value in enumerate(first))
        check_categories(model, [whole(data_of(*rows))], np.arange(len(model.names)))

    return made


@pytest.mark.parametrize(
    ("categories", "values"),
    [
        ([3, 7, 11, 20, 21], [3, 7, 11, 20, 21]),
        ([3, 7, 11, 20, 21], [0, 3, 7, 11]),
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 5], [1, 2]),  # codes or values: nothing tells
        ([2, 0, 1], [0, 1, 2]),
        (["3", "7", "11"], [3, 7, 11]),
        (["a", "b"], [1, 2]),
        ([0.5, 1.5, 2.5], [0.5, 1.5]),
    ],
)
def test_values_are_not_taken_for_codes(categories, values, model, check):
    with pytest.raises(
        DataError, match=r"data.txt: column 1 holds .*, but feature 1 .*'kind'.* the place among .*, from 0. Write"
    ):
        check(model(categories), *values)


@pytest.mark.parametrize(
    ("categories", "values"),
    [
        ([3, 7, 11, 20, 21], [0, 1, 2, 4, -1]),
        ([1, 2, 3, 4, 5], [0, 1, 2, 3, 4]),
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 1, 2, 9], [0, 1, 2]),
        (["a", "b", "c"], [0, 1, 2]),
    ],
)
def test_codes_are_read(categories, values, model, check):
    check(model(categories), *values)


def test_where_an_order_hides_which_feature_has_which_categories_values_are_refused_and_the_rest_is_read(model, check):
    both = model(["a", "b"], third=[1, 2, 3])
    check(both, 0, 1, 0, third=[0, 1, 2])
    check(both, 0, 1, 0, third=[0.25, 1, 7])
    with pytest.raises(DataError, match=r"column 3 holds \d, but feature 3"):
        check(both, 0, 1, 0, third=[1, 2, 3])


def test_categories_that_are_no_lists_are_damage():
    head = "tree\nnum_class=1\nmax_feature_idx=0\nfeature_names=a\n\n"
    text = head + "Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=0\n\n\nend of trees\n"
    for wrong in ("[[1", "{}x", "3", "[3]"):
        with pytest.raises(DataError, match="damaged: pandas_categorical is no"):
            parse_lightgbm(f"{text}\npandas_categorical:{wrong}\n")
