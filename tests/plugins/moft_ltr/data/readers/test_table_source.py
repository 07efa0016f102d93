"""Files of every format give the same rows, and a damaged one is one line with its place."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from moft import DataError
from moft_ltr.data.dataset import open_dataset
from moft_ltr.data.readers.table_columns import TableColumns

FRAME = pd.DataFrame(
    {
        "query": ["1", "1", "2"],
        "price": [1.5, np.nan, 2],
        "brand": ["x", "y", ""],
        "new": [True, False, True],
        "title": ["a", "b", "c"],
    }
)
WRITERS = {
    "t.parquet": FRAME.to_parquet,
    "t.feather": FRAME.to_feather,
    "t.csv": lambda path: FRAME.to_csv(path, index=False),
    "t.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
}


@pytest.fixture
def opened(tmp_path):
    def made(name="t.csv", text=None, **columns):
        if text is not None:
            (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return open_dataset(tmp_path / name, tmp_path / "cache", TableColumns(**columns))

    return made


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_rows(name, opened, tmp_path):
    WRITERS[name](tmp_path / name)
    data = opened(name, categorical=("brand",))
    assert (data.qids.tolist(), data.offsets.tolist()) == (["1", "2"], [0, 2, 3])
    assert data.facts.names == ("price", "brand", "new")
    assert np.array_equal(data.features, np.float32([[1.5, 0, 1], [np.nan, 1, 0], [2, np.nan, 1]]), equal_nan=True)
    assert list(data.facts.text) == ["title"]


def test_a_folder_of_tables_is_read_in_the_order_of_its_names(opened, tmp_path):
    (tmp_path / "parts").mkdir()
    pd.DataFrame({"query": [2, 3, 3], "f": [4.0, 5, 6]}).to_parquet(tmp_path / "parts" / "b.parquet")
    pd.DataFrame({"f": [1, 2, 3], "query": [1, 1, 2]}).to_parquet(tmp_path / "parts" / "a.parquet")
    data = opened("parts")
    assert (data.features[:, 0].tolist(), data.offsets.tolist()) == ([1, 2, 3, 4, 5, 6], [0, 2, 4, 6])
    assert data.row_place(4) == f"{tmp_path / 'parts'}/b.parquet, row 2"
    pd.DataFrame({"query": [1, 3], "f": [4.0, 5]}).to_parquet(tmp_path / "parts" / "b.parquet")
    with pytest.raises(DataError, match=r"parts/b\.parquet, row 1: query 1 appears again, after other queries"):
        opened("parts")
    pd.DataFrame({"query": [4, 5], "g": [4.0, 5]}).to_parquet(tmp_path / "parts" / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet: column 'f' is in only one of this file and a\.parquet"):
        opened("parts")


def test_a_changed_file_and_other_columns_are_converted_again(opened, tmp_path):
    assert opened(text="query,f,g\n1,2,3\n1,3,4\n").columns == 2
    assert opened(exclude=("g",)).facts.names == ("f",)
    assert opened(text="query,f,g,hh\n1,2,3,4\n").columns == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("query,f\n" + "1,2\n" * 400_000 + "1,a\n", r"t\.csv:400002: column 'f' holds 'a', but numbers before"),
        ("query,f\n1,2\n1\n", r"t\.csv:3: expected 2 columns, got 1"),
        ("query,f,f\n1,2,3\n", r"t\.csv:1: column 'f' is there twice"),
        ("", r"t\.csv:1: is empty"),
        ("query,f\n", r"t\.csv: has no rows"),
        ("query,f\n1,1e50\n", r"t\.csv, row 1: column 'f' holds 1e\+50, which is no finite 32-bit number"),
        ("qu,f\n1,2\n", r"has no column of query ids: none is called query, query_id, qid"),
        ("query\n1\n", r"has no column of numbers beside those of ids"),
        (b"query,f\n1,\xff\n", r"t\.csv:1: is not UTF-8 text"),
    ],
)
def test_a_bad_table_is_one_line(text, expected, opened):
    with pytest.raises(DataError, match=expected) as error:
        opened(text=text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["t.parquet", "t.feather", "t.arrow"])
def test_a_file_of_another_format_is_one_line(name, opened):
    with pytest.raises(DataError, match=rf"{name}: cannot be read"):
        opened(name, text="PAR1 nothing else")


def test_columns_that_are_named_must_be_there(opened):
    for setting, value in (("query", "qui"), ("item", "x"), ("split", "x"), ("categorical", ("x",))):
        with pytest.raises(DataError, match=f"{setting}: there is no column '"):
            opened(text="query,f\n1,2\n", **{setting: value})
