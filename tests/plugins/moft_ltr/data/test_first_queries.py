"""A look at ranking data reads little of large files, and the right of it."""

from __future__ import annotations

import numpy as np
import pytest

from moft import DataError
from moft_ltr.data import first_queries as module
from moft_ltr.data.dataset import open_dataset
from moft_ltr.data.first_queries import dataset_of_first_lines, first_of_each, first_queries, largest_column, unread_files
from moft_ltr.data.splits import all_queries

ROWS = [f"{item % 5} qid:{item // 3} 1:{item} 2:1\n" for item in range(300)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of three splits, of which the first is too large to be read whole."""
    monkeypatch.setattr(module, "READ_WHOLE", 1000)
    monkeypatch.setattr(module, "FIRST_LINES", 500)
    for split, count in {"train": 300, "vali": 30, "test": 30}.items():
        (tmp_path / f"{split}.txt").write_text("".join(ROWS[:count]) + ("0 qid:999 1:1 7:1 # 9:1\n" if count == 300 else ""))
    return tmp_path


def test_a_large_file_that_was_never_converted_is_unread(folder):
    assert unread_files(str(folder), folder / "cache") == {"train": folder / "train.txt"}
    open_dataset(folder / "train.txt", folder / "cache")
    assert unread_files(str(folder), folder / "cache") == {}


def test_the_first_lines_have_whole_queries_alone_and_every_column(folder):
    data = dataset_of_first_lines(folder / "train.txt", 7)
    assert data.source == str(folder / "train.txt")
    assert 0 < len(data) < 30
    assert np.diff(data.offsets).tolist() == [3] * len(data)
    assert data.features.shape[1] == 7
    assert data.features[:, 0].tolist() == list(map(float, range(3 * len(data))))
    assert not list(folder.glob("cache*"))


def test_a_fault_in_the_first_lines_is_told_with_its_line(folder):
    (folder / "train.txt").write_text("".join([*ROWS[:4], "1 qid:1 x\n", *ROWS[4:]]))
    with pytest.raises(DataError, match=r"train\.txt:5: 'x' is not a pair index:value"):
        dataset_of_first_lines(folder / "train.txt", 0)


def test_more_is_read_until_a_query_ends(folder):
    long = [f"1 qid:1 1:{item}\n" for item in range(300)]
    for more, lists in (([], 1), (["0 qid:2 1:1\n"] * 10, 2), (["0 qid:2 1:1\n"] * 900, 1)):
        (folder / "train.txt").write_text("".join([*long, *more]))
        data = dataset_of_first_lines(folder / "train.txt", 0)
        assert (len(data), int(data.offsets[1])) == (lists, 300)


def test_the_largest_column_is_found_wherever_it_is(folder, monkeypatch):
    assert largest_column(folder / "train.txt") == (7, True)
    monkeypatch.setattr(module, "SCANNED", 100)
    assert largest_column(folder / "train.txt") == (2, False)


def test_what_is_looked_at_is_bounded_by_queries_and_by_values(folder, monkeypatch):
    data = open_dataset(folder / "vali.txt", folder / "cache")
    assert len(first_queries(all_queries(data))[0].lists) == 10
    monkeypatch.setattr(module, "QUERIES", 4)
    assert first_queries(all_queries(data))[0].lists.tolist() == [0, 1, 2, 3]
    monkeypatch.setattr(module, "VALUES", 2 * 3 * 2)
    assert first_queries(all_queries(data))[0].lists.tolist() == [0, 1]
    monkeypatch.setattr(module, "VALUES", 0)
    assert first_queries(all_queries(data))[0].lists.tolist() == [0]


def test_a_small_file_beside_a_large_one_is_read_whole(folder):
    (folder / "vali.txt").write_text("".join(ROWS[:3]))  # one query
    cache = folder / "cache"
    found = first_of_each(unread_files(str(folder), cache), str(folder), cache, "refuse", 2)
    assert {split: len(parts[0].lists) for split, parts in found.items() if split != "train"} == {"validation": 1, "test": 10}
    assert 0 < len(found["train"][0].lists) < 30
