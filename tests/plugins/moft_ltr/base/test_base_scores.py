"""Reference scores: standardised on the training items, the same after a restore."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch.testing import assert_close

from moft import DataError
from moft_ltr.base.base_scores import BaseScores


def scores(task, split):
    """Reference scores of every item of a split, in the order of the file."""
    store = task._stores.get(split)
    pairs = [(batch.lists, batch.reference, batch.items) for batch in task.batches(split)]
    store = task._stores[split]
    found = torch.empty(len(store.features))
    for batch in task.batches(split):
        store.flat(batch.reference, batch, found)
    assert sum(int(items.sum()) for _, _, items in pairs) == len(found)
    return found


def column(path, number):
    rows = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    return torch.tensor([float(row[1 + number].partition(":")[2]) for row in rows])


def test_a_column_of_scores_is_standardised_by_the_training_items(prepared, lists):
    built = prepared(base={"name": "scores", "column": 3})
    train = column(lists / "train.txt", 3)
    for split, file in (("train", "train"), ("validation", "vali"), ("test", "test")):
        expected = (column(lists / f"{file}.txt", 3) - train.mean()) / train.std()
        assert_close(scores(built, split), expected, rtol=1e-4, atol=1e-5)


def test_a_column_of_scores_is_no_input(prepared):
    built = prepared(base={"name": "scores", "column": 3})
    assert built.state()["columns"].tolist() == [0, 1, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("base", [{"name": "scores", "column": 3}, {"name": "neural", "epochs": 2, "width": 8, "layers": 1}])
def test_restored_scores_are_the_same_bits(base, prepared, task):
    first = prepared(base=base)
    again = task(base=base)
    again.restore(first.state())
    for split in ("train", "test"):
        assert scores(again, split).equal(scores(first, split))


def test_a_base_that_scores_all_alike_is_refused(prepared, lists, tmp_path):
    shutil.copytree(lists, tmp_path / "data")
    path = tmp_path / "data" / "train.txt"
    rows = [row.split() for row in path.read_text().splitlines() if not row.startswith("#")]
    path.write_text("\n".join(" ".join("3:2.5" if field.startswith("3:") else field for field in row) for row in rows) + "\n")
    with pytest.raises(
        DataError, match=r"\[task.base\] every training document has the base score 2.5; choose a base ranker that ranks them"
    ):
        prepared(data=tmp_path / "data", base={"name": "scores", "column": 3})


def test_a_base_whose_scores_are_not_finite_is_said_to_be_damaged(prepared, monkeypatch):
    monkeypatch.setattr(BaseScores, "_raw_scores", lambda *_: torch.tensor([1.0, torch.nan]))
    with pytest.raises(DataError, match=r"a training document has the base score nan, .* damaged.* checkpoints/base/finished"):
        prepared(base={"name": "scores", "column": 3})


def test_a_column_that_is_not_there_is_refused(prepared):
    with pytest.raises(DataError, match="there is no column 11; the file has columns 1 to 10"):
        prepared(base={"name": "scores", "column": 11})
