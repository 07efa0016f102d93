"""The public writer: what frames and arrays become, and that a folder that it wrote says everything of its source."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import moft_ltr
from moft import DataError
from moft_ltr.data.converted.ids import ids_at
from moft_ltr.data.dataset import read_dataset


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "query": ["a", "a", "b", "b", "b"],
            "item": ["i1", "i2", "i1", "i2", "ü3"],
            "price": [1.5, np.nan, 2, 3, 4],
            "brand": pd.Categorical(["x", "y", None, "x", "z"]),
            "store": [7, 3, 7, 7, 11],
            "clicks": [0, 1, 2, 0, np.nan],
        }
    )


def written(tmp_path, data, name="set", **settings):
    return read_dataset(moft_ltr.write_data(tmp_path / name, data, **settings))


def test_a_folder_has_ids_names_labels_categories_and_missing_values(frame, tmp_path):
    data = written(tmp_path, frame, labels=["clicks"], categorical=["store"], features=["price", "brand", "store"])
    assert data.qids.tolist() == ["a", "b"]
    assert ids_at(data.facts.items, np.arange(5)) == ["i1", "i2", "i1", "i2", "ü3"]
    assert ids_at(data.facts.items, np.array([4, 0])) == ["ü3", "i1"]
    assert data.facts.names == ("price", "brand", "store", "clicks")
    assert data.facts.categories == {2: ("x", "y", "z"), 3: (7, 3, 11)}
    assert (data.labels, data.facts.features) == ({"clicks": 4}, (1, 2, 3))
    expected = [[1.5, 0, 0, 0], [np.nan, 1, 1, 1], [2, np.nan, 0, 2], [3, 0, 0, 0], [4, 2, 2, np.nan]]
    assert np.array_equal(data.features, np.array(expected, dtype=np.float32), equal_nan=True)
    assert isinstance(data.features, np.memmap)


@pytest.mark.parametrize(
    "as_other",
    [
        pl.from_pandas,
        pa.table,
        lambda frame: pa.table(frame).to_reader(),
        lambda frame: (frame[at : at + 1] for at in range(len(frame))),
        lambda frame: frame.set_axis([3, 1, 4, 2, 0]),
    ],
)
def test_every_kind_of_frame_gives_the_same_folder(as_other, frame, tmp_path):
    one, other = written(tmp_path, frame, "one"), written(tmp_path, as_other(frame), "other")
    assert one.facts.names == other.facts.names
    assert np.array_equal(one.features, other.features, equal_nan=True)
    assert (one.qids.tolist(), one.offsets.tolist(), one.sha256) == (other.qids.tolist(), other.offsets.tolist(), other.sha256)


def test_arrays_with_groups_become_a_table(tmp_path):
    values = np.arange(10.0).reshape(5, 2)
    data = written(tmp_path, moft_ltr.table(values, [2, 3], labels={"clicks": [0, 1, 0, np.nan, 1]}, queries=["u", "v"]))
    assert np.array_equal(data.features[:, :2], values)
    assert (data.facts.names, data.qids.tolist(), data.offsets.tolist()) == (("1", "2", "clicks"), ["u", "v"], [0, 2, 5])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"group": [2, 2]}, r"whole numbers above 0 that add up to 5, the rows of features; got 2 that add up to 4"),
        ({"group": [5, 0]}, "whole numbers above 0"),
        ({"features": np.zeros(5)}, r"features must be \[items, f\], got \[5\]"),
        ({"names": ["a", "a"]}, "a name is there twice"),
        ({"names": ["a"]}, "names has 1 names for the 2 columns"),
        ({"labels": {"2": np.zeros(5)}}, "the name '2' is there twice"),
        ({"labels": {"y": np.zeros(4)}}, r"'y' must be \[5\]"),
        ({"queries": ["a"]}, "queries has 1 ids for the 2 queries"),
    ],
)
def test_arrays_that_do_not_fit_are_one_line(change, expected):
    with pytest.raises(DataError, match=expected):
        moft_ltr.table(**{"features": np.zeros((5, 2)), "group": [2, 3]} | change)


def test_a_further_split_takes_columns_and_codes_of_the_first_one(frame, tmp_path):
    written(tmp_path, frame, labels=["clicks"])
    other = frame[["brand", "store", "price", "query"]].assign(brand=pd.Categorical(["z", "new", "y", "x", None]))
    data = written(tmp_path, other, "other", like=tmp_path / "set")
    assert data.facts.names == ("price", "brand", "store", "clicks")
    assert data.facts.categories == {2: ("x", "y", "z", "new")}
    assert np.array_equal(data.features[:, 1], [2, 3, 1, 0, np.nan], equal_nan=True)
    assert np.isnan(data.features[:, 3]).all(), "labels may be absent"
    with pytest.raises(DataError, match=r"has no column 'price', which .* reads; the nearest are 'prise'"):
        moft_ltr.write_data(tmp_path / "no", frame.rename(columns={"price": "prise"}), like=tmp_path / "set")


def test_nothing_stays_of_a_table_with_an_error(frame, tmp_path):
    with pytest.raises(DataError, match=r"the frame, row 4: column 'price' holds inf"):
        moft_ltr.write_data(tmp_path / "set", frame.assign(price=[1, 2, 3, np.inf, 4]))
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_folder_that_exists_is_refused(frame, tmp_path):
    with pytest.raises(DataError, match="already exists"):
        moft_ltr.write_data(tmp_path, frame)


def test_a_path_that_is_no_table_is_one_line(tmp_path):
    (tmp_path / "data.txt").write_text("1 qid:1 1:1\n")
    for path in (tmp_path, tmp_path / "data.txt"):
        with pytest.raises(DataError, match=r"is no table; give a file that ends in \.csv"):
            moft_ltr.write_data(tmp_path / "set", path)


@pytest.mark.parametrize("data", [np.zeros((3, 2)), "no-such-file.parquet", 3, [np.zeros(2)], []])
def test_what_is_no_table_is_one_line(data, tmp_path):
    with pytest.raises(DataError):
        moft_ltr.write_data(tmp_path / "set", data)
