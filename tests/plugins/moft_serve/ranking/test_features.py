"""Features of a request become the array that a scorer takes: categories, missing values, and base scores from outside."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from moft_serve.http.errors import ApiError
from moft_serve.ranking.features import FeatureReader, example_query


@pytest.fixture
def reader():
    """Of a number, categories of texts, categories of integers, and base scores."""
    categories = {"brand": ("x", "y"), "size": (1, 2)}
    return FeatureReader(SimpleNamespace(features=("a", "brand", "size", "bm25"), categories=categories, base_scores="bm25"))


def test_values_become_numbers_and_codes(reader):
    expected = [[0.5, 1, 0, 3], [np.nan, 2, np.nan, 4], [1, np.nan, 2, 5]]
    rows = [[0.5, "y", 1], [None, "z", None], [True, "", 7]]
    base = [3.0, 4, 5]
    for features in (
        rows,
        [dict(zip(("a", "brand", "size"), row, strict=True)) for row in rows],
        {"size": [1, None, 7], "brand": np.array(["y", "z", ""]).tolist(), "a": [0.5, None, True]},
    ):
        found = reader.read(features, base, "queries[0]")
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    arrow = {"a": np.array([0.5, np.nan, 1]), "brand": ["y", "z", None], "size": np.array([1, np.nan, 7]), "bm25": np.array(base)}
    np.testing.assert_array_equal(reader.read(arrow, None, "queries[0]"), expected)


@pytest.mark.parametrize(
    ("features", "base", "message"),
    [
        ([[1, "x", 1]], None, r"queries\[0\].base_scores: must be 1 numbers, one for each document: the base model is outside"),
        ([[1, "x", 1]], [1, 2], "must be 1 numbers"),
        ([[1, "x", 1]], [None], "must be 1 numbers"),
        ([[1, "x", 1]], [1e99], r"base_scores: \[0\] is not a finite number"),
        ({"a": [1], "brand": ["x"], "size": [1], "bm25": [1]}, [1], "is given twice, also as the feature 'bm25'"),
        ([[1, 2.5, 1]], [1], "document 0, feature 'brand': 2.5 is no category, which is text or an integer"),
        ([[1, True, 1]], [1], "feature 'brand': true is no category"),
        ([[[], "x", 1]], [1], r"feature 'a': \[\] is not a number"),
        ([{"a": 1, "brand": "x"}], [1], "the feature 'size' is left out; give null"),
        ([{"a": 1}, {"b": 1}], [1, 2], r"features\[1\]: and \[0\] differ in the feature 'a'"),
        ({"a": [1], "brand": ["x", "y"], "size": [1]}, [1], "has columns of different lengths, 1 to 2"),
        ({"a": [], "brand": [], "size": []}, [], "is empty; a query has at least one document"),
        ({"a": 1}, [1], r"features.a: must be a list, a value for each document, not 1"),
        ("text", [1], "must be rows, objects or columns, not \"text\""),
        ([[1, "x", 1], {"a": 1}], [1, 2], r"features\[1\]: must be a list of 3 values"),
    ],
)  # fmt: skip
def test_what_is_wrong_gets_one_sentence(reader, features, base, message):
    with pytest.raises(ApiError) as caught:
        reader.read(features, base, "queries[0]")
    assert caught.value.status_code == 400
    assert re.search(message, caught.value.detail), caught.value.detail


def test_an_example_can_be_read(reader):
    query = example_query(reader.scorer)
    assert len(reader.read(query["features"], query["base_scores"], "queries[0]")) == len(query["items"]) == 10
