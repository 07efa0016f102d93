"""LightGBM's layout: rows without ids, and a file beside with the size of each query."""

from __future__ import annotations

import numpy as np
import pytest

from moft import DataError
from moft_ltr.data.dataset import open_dataset

SVMLIGHT = "1 1:2 2:3\n0 1:1 2:1\n2 1:4\n"
PLAIN = "1,2,3\n0,1,1\n2,4,\n"
NAMED = "grade,f,g\n" + PLAIN


@pytest.fixture
def opened(tmp_path):
    def made(name, text, sizes="2\n1\n", suffix=".query"):
        (tmp_path / name).write_text(text)
        (tmp_path / (name + suffix)).write_text(sizes)
        return open_dataset(tmp_path / name, tmp_path / "cache")

    return made


@pytest.mark.parametrize("suffix", [".query", ".group"])
@pytest.mark.parametrize(
    ("name", "text"), [("t.txt", SVMLIGHT), ("t.csv", PLAIN), ("t.tsv", PLAIN.replace(",", "\t")), ("t.csv", NAMED)]
)
def test_the_first_column_is_the_relevance_and_sizes_are_the_queries(name, text, suffix, opened):
    data = opened(name, text, suffix=suffix)
    assert (data.qids.tolist(), data.offsets.tolist(), data.relevance.tolist()) == ([1, 2], [0, 2, 3], [1, 0, 2])
    last = 0 if name == "t.txt" else np.nan
    assert np.array_equal(data.features[:, -2:], [[2, 3], [1, 1], [4, last]], equal_nan=True)
    assert data.labels == ({"grade": 1} if text is NAMED else {})


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ("2\n2\n", "t.*: has 3 rows, but the sizes of its queries in the file beside it add up to 4"),
        ("2\nx\n", r"t\..*\.query:2: 'x' is not the size of a query"),
        ("0\n3\n", r"query:1: '0' is not the size"),
        ("", "has no sizes of queries"),
    ],
)
@pytest.mark.parametrize(("name", "text"), [("t.txt", SVMLIGHT), ("t.csv", PLAIN)])
def test_sizes_that_do_not_fit_are_one_line(name, text, sizes, expected, opened):
    with pytest.raises(DataError, match=expected):
        opened(name, text, sizes)


def test_one_place_has_the_queries(opened, tmp_path):
    with pytest.raises(DataError, match="lines have a qid, and a file beside has the sizes of queries; remove one"):
        opened("a.txt", "1 qid:1 1:2\n0 qid:1 1:3\n2 qid:2 1:2\n")
    with pytest.raises(DataError, match="column 'query' has query ids, and a file beside has sizes of queries; remove one"):
        opened("a.csv", "query,f\n1,2\n1,3\n2,4\n")
    (tmp_path / "t.txt.group").write_text("3\n")
    with pytest.raises(DataError, match=r"t\.txt\.group both have the sizes|both have the sizes of its queries; keep one"):
        opened("t.txt", SVMLIGHT)


def test_other_sizes_are_another_conversion(opened):
    assert len(opened("t.txt", SVMLIGHT)) == 2
    assert len(opened("t.txt", SVMLIGHT, "1\n1\n1\n")) == 3
