"""Splits: the files as they are, or folds dealt from all of them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from moft import ConfigError, DataError
from moft_ltr.data.splits import SPLITS, QuerySubset, all_queries, open_splits

QIDS = {"train": [5, 1, 9, 30, 2], "vali": [12, 11, 14], "test": [21, 20, 25, 22]}


@pytest.fixture
def folder(tmp_path):
    """Files of lists of two items or three; each item's only feature is its qid."""
    for name, qids in QIDS.items():
        text = "".join(f"{item % 2} qid:{qid} 1:{qid}\n" for qid in qids for item in range(2 + qid % 2))
        (tmp_path / f"{name}.txt").write_text(text)
    return tmp_path


@pytest.fixture
def opened(folder, tmp_path):
    def made(folds=None, fold=0, short_lists="refuse"):
        return open_splits(str(folder), tmp_path / "cache", folds=folds, fold=fold, short_lists=short_lists)

    return made


def qids(parts):
    return [int(qid) for part in parts for qid in part.data.qids[part.lists]]


def test_without_folds_the_splits_are_the_files(opened):
    splits = opened()
    assert [qids(splits[split]) for split in SPLITS] == list(QIDS.values())


@pytest.mark.parametrize("folds", [3, 5, 12])
def test_over_all_folds_every_list_is_tested_once_validated_once_and_trained_on_otherwise(opened, folds):
    every = sorted(qid for group in QIDS.values() for qid in group)
    seen = {split: Counter() for split in SPLITS}
    for fold in range(folds):
        splits = opened(folds, fold)
        assert sorted(qid for split in SPLITS for qid in qids(splits[split])) == every, "a fold is a partition"
        sizes = [len(qids(splits[split])) for split in ("test", "validation")]
        assert all(len(every) // folds <= size <= -(-len(every) // folds) for size in sizes)
        for split in SPLITS:
            seen[split].update(qids(splits[split]))
    times = {"test": 1, "validation": 1, "train": folds - 2}
    assert seen == {split: Counter(dict.fromkeys(every, times[split])) for split in SPLITS}


def test_folds_depend_on_qids_alone_and_not_on_the_file_a_list_is_in(opened, folder):
    before = {split: sorted(qids(parts)) for split, parts in opened(5, 1).items()}
    (folder / "train.txt").rename(folder / "spare.txt")
    (folder / "vali.txt").rename(folder / "train.txt")
    (folder / "spare.txt").rename(folder / "vali.txt")
    assert {split: sorted(qids(parts)) for split, parts in opened(5, 1).items()} == before


@pytest.mark.parametrize(("folds", "fold"), [(1, 0), (2, 0), (3, 3), (5, 9)])
def test_a_fold_that_cannot_be_is_refused(folds, fold, opened):
    with pytest.raises(ConfigError, match=rf"fold {fold} of {folds}: there must be at least 3 folds, and fold counts from 0"):
        opened(folds, fold)


def test_more_folds_than_lists_are_refused(opened):
    with pytest.raises(DataError, match="12 queries are too few for 13 folds; each fold needs at least one"):
        opened(13)


def test_a_qid_in_two_files_is_refused_when_folds_are_dealt(opened, folder):
    with (folder / "test.txt").open("a") as file:
        file.write("1 qid:5 1:5\n0 qid:5 1:5\n")
    assert len(qids(opened()["test"])) == 5
    with pytest.raises(DataError, match="qid:5 is in more than one file; with folds, each qid must be unique"):
        opened(5)


def test_files_of_different_width_are_refused(opened, folder):
    (folder / "test.txt").write_text("1 qid:5 1:5 2:1\n0 qid:5 1:5\n")
    with pytest.raises(
        DataError, match=r"the splits differ in columns: .*train.txt has 1, .*test.txt has 2.* of the others: 2:0\."
    ):
        opened()


def test_a_list_of_one_item_is_refused_or_dropped(opened, folder):
    with (folder / "train.txt").open("a") as file:
        file.write("1 qid:77 1:5\n1 qid:78 1:5\n")
    with pytest.raises(DataError, match=r"train.txt:14: query qid:77 has one document \(queries of one document: 2\)"):
        opened()
    assert qids(opened(short_lists="drop")["train"]) == QIDS["train"]
    dealt = opened(3, 0, "drop")
    assert sorted(qid for split in SPLITS for qid in qids(dealt[split])) == sorted(qid for own in QIDS.values() for qid in own)


def test_a_file_of_nothing_but_such_lists_is_refused(opened, folder):
    (folder / "vali.txt").write_text("1 qid:77 1:5\n1 qid:78 1:5\n")
    with pytest.raises(DataError, match=r"vali.txt: has no query of two documents or more"):
        opened(short_lists="drop")


def test_a_missing_split_is_named(opened, folder):
    (folder / "vali.txt").unlink()
    with pytest.raises(DataError, match=r"has no validation split; looked for vali\.txt"):
        opened()


def test_chosen_lists_have_their_items_in_order(opened):
    data = opened()["train"][0].data
    some = QuerySubset(data, np.array([3, 0]))
    assert_array_equal(some.offsets, [0, 2, 5])
    assert data.features[some.items, 0].tolist() == [30, 30, 5, 5, 5]
    (every,) = all_queries(data)
    assert_array_equal(every.items, np.arange(len(data.features)))
    assert_array_equal(every.offsets, data.offsets)
