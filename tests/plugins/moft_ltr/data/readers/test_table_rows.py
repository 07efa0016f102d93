"""Columns of every type as 32-bit numbers, codes of categories, and NaN."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from moft import DataError
from moft_ltr.data.dataset import data_layout, frame_dataset, open_dataset
from moft_ltr.data.readers.table_columns import TableColumns


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None, 3], pa.int8()), [1, np.nan, 3]),
        (pa.array([True, None, False]), [1, np.nan, 0]),
        (pa.array([Decimal("1.5"), None, Decimal(2)]), [1.5, np.nan, 2]),
        (pa.array([None, None, None]), [np.nan] * 3),
        (pa.array([0.5, None, float("nan")], pa.float16()), [0.5, np.nan, np.nan]),
        (pa.array([3, 3, None]).dictionary_encode(), [0, 0, np.nan]),
    ],
)
def test_numbers_of_every_type(values, expected):
    data = frame_dataset({"query": [1, 1, 1], "f": values})
    assert np.array_equal(data.features[:, 0], np.float32(expected), equal_nan=True)


def test_categories_keep_their_codes_over_blocks():
    blocks = [{"query": [1, 1], "f": ["a", "b"]}, {"query": [1, 1], "f": ["c", "a"]}]
    data = frame_dataset(blocks, TableColumns(categorical=("f",)))
    assert (data.features[:, 0].tolist(), data.facts.categories) == ([0, 1, 2, 0], {1: ("a", "b", "c")})
    layout = data_layout(data, ["f"])
    again = frame_dataset({"query": [1, 1], "f": ["d", "c"]}, TableColumns(), layout)
    assert (again.features[:, 0].tolist(), again.facts.categories) == ([3, 2], {1: ("a", "b", "c", "d")})


def test_whole_numbers_with_missing_ones_may_be_categories_but_others_not():
    frame = pd.DataFrame({"query": [1, 1, 1], "store": [7, None, 3]})
    assert frame_dataset(frame, TableColumns(categorical=("store",))).facts.categories == {1: (7, 3)}
    with pytest.raises(
        DataError, match=r"row 3: column 'store' is categorical, but holds 3\.5; categories are integers or texts"
    ):
        frame_dataset(frame.assign(store=[7, None, 3.5]), TableColumns(categorical=("store",)))


def test_a_column_that_is_there_twice_is_refused():
    with pytest.raises(DataError, match="column 'f' is there twice"):
        frame_dataset(pa.table([[1], [2], [3]], names=["query", "f", "f"]))


def test_integers_and_their_texts_are_the_same_category():
    data = frame_dataset({"query": [1, 1], "f": [7, 3]}, TableColumns(categorical=("f",)))
    again = frame_dataset({"query": [1, 1], "f": ["3", "7"]}, TableColumns(), data_layout(data, ["f"]))
    assert (again.features[:, 0].tolist(), again.facts.categories) == ([1, 0], {1: (7, 3)})


@pytest.mark.parametrize("value", ["good", "2024-05-01", "12:30:00"])
def test_a_relevance_that_is_no_number_is_refused(value, tmp_path):
    (tmp_path / "train.tsv").write_text(f"relevance\tf\n{value}\t0.5\n{value}\t0.2\n")
    (tmp_path / "train.tsv.query").write_text("2\n")
    with pytest.raises(DataError, match=r"column 'relevance' is the relevance, .* and holds string; it has to hold numbers"):
        open_dataset(tmp_path / "train.tsv", tmp_path / "cache")
