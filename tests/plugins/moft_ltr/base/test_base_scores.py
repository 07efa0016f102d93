"""Reference scores: standardised on the training items, the same after a restore."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
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


def rescaled(lists, folder, split, value):
    """A copy of the lists in which column 3 of a split is `value(old)`."""
    if not folder.exists():
        shutil.copytree(lists, folder)
    path = folder / f"{split}.txt"
    rows = [row.split() for row in path.read_text().splitlines() if not row.startswith("#")]
    changed = [[f"3:{value(float(field[2:])):.17g}" if field.startswith("3:") else field for field in row] for row in rows]
    path.write_text("\n".join(map(" ".join, changed)) + "\n")
    return folder


@pytest.mark.parametrize("factor", [1e37, 1e-30])
def test_large_and_small_scores_of_a_column_are_standardised_alike(factor, prepared, lists, tmp_path):
    base = {"name": "scores", "column": 3}
    expected = scores(prepared(base=base), "train")
    for split in ("train", "vali", "test"):
        rescaled(lists, tmp_path / "data", split, lambda value: value * factor)
    assert_close(scores(prepared(data=tmp_path / "data", base=base), "train"), expected, rtol=1e-4, atol=1e-5)


def test_a_score_that_is_no_number_once_standardised_is_refused(prepared, lists, tmp_path):
    data = rescaled(lists, tmp_path / "data", "train", lambda value: value * 1e-30)
    data = rescaled(data, tmp_path / "data2", "vali", lambda value: value * 1e30)
    with pytest.raises(DataError, match=r"vali.txt: a document has the base score .*, too far from those of the training"):
        prepared(data=data, base={"name": "scores", "column": 3})


def test_scores_without_a_finite_deviation_are_refused(task, monkeypatch):
    monkeypatch.setattr(BaseScores, "_raw_scores", lambda *_: torch.tensor([-1e300, 1e300], dtype=torch.float64))
    with pytest.raises(DataError, match=r"base scores from -1e\+300 to 1e\+300 are too far apart; divide them all by one number"):
        task().prepare(AccelerateTrainer(TrainerSettings(epochs=1, device="cpu"), seed=0))


def test_a_look_at_the_inputs_refuses_scores_that_training_refuses(task, lists, tmp_path):
    base = {"name": "scores", "column": 3}
    task(base=base).check_inputs()
    with pytest.raises(DataError, match=r"every training document has the base score 2\.5; choose"):
        task(data=rescaled(lists, tmp_path / "constant", "train", lambda _: 2.5), base=base).check_inputs()
    with pytest.raises(DataError, match="after moft has read it with 32 bits"):
        task(data=rescaled(lists, tmp_path / "far", "test", lambda value: value + 1e7), base=base).check_inputs()


@pytest.mark.parametrize("settings", [{}, {"main": {"column": 3}, "objectives": {"first": {"column": 9}}}])
def test_a_label_is_no_column_of_base_scores(settings, task, prepared):
    column, name = (3, "main") if settings else (10, "second")
    base = {"name": "scores", "column": column}
    for used in (prepared, lambda **given: task(**given).check_inputs()):
        with pytest.raises(ConfigError, match=rf"\[task.base.column\] column {column} is the label of '{name}'; name a column"):
            used(base=base, **settings)


def test_a_column_that_is_not_there_is_refused(prepared):
    with pytest.raises(DataError, match="there is no column 11; the file has columns 1 to 10"):
        prepared(base={"name": "scores", "column": 11})
