"""Notes on features that give a label away, and on queries in more than one split."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from moft.engine.training.trainer import AccelerateTrainer
from moft.engine.training.trainer_settings import TrainerSettings
from moft_ltr.data.data_notes import leak_notes, overlap_notes
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.splits import QuerySubset

LISTS, LENGTH = 30, 20


def part_of(*columns, labels=None):
    """Queries of `LENGTH` documents with these columns."""
    features = np.column_stack(columns).astype(np.float32)
    count = len(features) // LENGTH
    offsets = np.arange(count + 1) * LENGTH
    lines = np.zeros(count, dtype=np.int64)
    data = Dataset(features, features[:, 0], offsets, np.arange(count), lines, "here", "", labels or {})
    return QuerySubset(data, np.arange(count))


@pytest.fixture
def clicks():
    return np.random.default_rng(0).poisson(0.3, LISTS * LENGTH).astype(np.float32)


def features(seed, count=1):
    return [np.random.default_rng(seed + number).standard_normal(LISTS * LENGTH) for number in range(count)]


def told(clicks, *columns):
    return list(leak_notes(part_of(*columns), np.arange(len(columns)), {"clicks": clicks}, {}))


def test_features_made_from_a_label_are_named(clicks):
    draws = np.random.default_rng(1)
    revenue = np.array([draws.lognormal(3, 1, int(n)).sum() for n in clicks])
    bought = draws.binomial(clicks.astype(int), 0.3) * 30.0
    for leak in (clicks, np.log1p(clicks), -clicks, revenue, bought, clicks > 0):
        (note,) = told(clicks, *features(2, 2), leak)
        assert note.startswith("clicks: column 3 among the features orders training documents almost as this label does.")
        assert note.endswith("set task.exclude: [3].")
    (note,) = told(clicks, revenue, *features(2), bought)
    assert note.startswith("clicks: columns 1, 3 among the features order training documents")
    assert note.endswith("set task.exclude: [1, 3].")


def test_good_features_are_not_suspected(clicks):
    noisy = clicks + np.random.default_rng(1).standard_normal(len(clicks)) * 0.7
    assert told(clicks, noisy, *features(2, 3)) == []


def test_few_queries_or_none_that_can_be_compared_give_no_note(clicks):
    few = part_of(clicks[: 5 * LENGTH])
    assert list(leak_notes(few, np.arange(1), {"clicks": clicks[: 5 * LENGTH]}, {})) == []
    assert told(np.ones_like(clicks), clicks) == []
    assert told(clicks, np.ones_like(clicks)) == []


def test_a_named_label_that_is_listed_as_a_feature_is_told(clicks):
    part = part_of(clicks, *features(3), labels={"price": 2})
    notes = list(leak_notes(part, np.arange(2), {}, part.data.labels))
    assert notes == ["Column 2 is a feature, but the data says that it is the label 'price'. Leave it out of task.features."]


def test_very_many_features_are_looked_at_in_bounded_time(clicks):
    wide = np.broadcast_to(clicks[:, None], (len(clicks), 40_000))
    data = replace(part_of(clicks).data, features=wide)
    assert list(leak_notes(QuerySubset(data, np.arange(LISTS)), np.arange(40_000), {"clicks": clicks}, {})) == []


def test_shared_queries_are_counted(clicks):
    train, test = part_of(clicks, *features(4)), part_of(clicks, *features(5))
    assert list(overlap_notes({"train": (train,), "test": (test,)})) == []
    both = np.concatenate([train.data.features[: 3 * LENGTH][::-1], test.data.features])
    mixed = part_of(*both.T)
    notes = list(overlap_notes({"train": (train,), "validation": (test,), "test": (mixed,)}))
    assert [note.partition(",")[0] for note in notes] == [
        "3 of 33 test queries are also in the train split",
        "30 of 33 test queries are also in the validation split",
    ]
    assert notes[0].endswith("with the same documents and labels: results on the test split are too good.")


def rows_of(part, rows, length):
    """The same split with these rows, in queries of so many documents."""
    lists = len(rows) // length
    data = replace(part.data, features=rows, relevance=rows[:, 0], offsets=np.arange(lists + 1) * length)
    return QuerySubset(replace(data, qids=np.arange(lists), lines=np.zeros(lists, dtype=np.int64)), np.arange(lists))


@pytest.mark.parametrize("kept", [range(1, LENGTH), range(LENGTH - 1), range(0, LENGTH, 2)])
def test_queries_without_some_of_their_documents_are_counted(kept, clicks):
    train, new = part_of(clicks, *features(4)), part_of(clicks, *features(5))
    rows = train.data.features.reshape(LISTS, LENGTH, 2)[:4, list(kept)].reshape(-1, 2)
    rest = new.data.features[: 20 * len(kept)]
    test = rows_of(train, np.concatenate([rows, rest]), len(kept))
    (note,) = overlap_notes({"train": (train,), "test": (test,)})
    assert note.startswith("4 of 24 test queries share half or more of their documents with a query of the train split, with the")


def test_documents_of_other_queries_are_counted(clicks):
    train = part_of(clicks, *features(4))
    test = rows_of(train, np.random.default_rng(0).permutation(train.data.features), LENGTH)
    (note,) = overlap_notes({"train": (train,), "test": (test,)})
    assert note.startswith("600 of 600 test documents are also in the train split, with the same features and labels, in other")


@pytest.mark.parametrize("kinds", [50, 600, 6000])
def test_documents_with_few_different_features_say_nothing_of_overlap(kinds):
    draws = np.random.default_rng(0)
    train, test = (part_of(draws.integers(0, kinds, LISTS * LENGTH)) for _ in range(2))
    assert list(overlap_notes({"train": (train,), "test": (test,)})) == []


def test_a_run_notes_both(task, lists, tmp_path):
    shutil.copytree(lists, tmp_path / "data")
    for path in (tmp_path / "data").glob("*.txt"):
        rows = [row.split() for row in path.read_text().splitlines() if not row.startswith("#")]
        path.write_text("".join(" ".join([*row[:4], f"3:{row[10][2:]}", *row[5:]]) + "\n" for row in rows))
    shutil.copy(tmp_path / "data" / "train.txt", tmp_path / "data" / "test.txt")
    built, notes = task(data=tmp_path / "data"), []
    trainer = AccelerateTrainer(TrainerSettings(epochs=1, device="cpu"), seed=0)
    trainer.note = notes.append
    built.prepare(trainer)
    assert [note for note in notes if note.endswith("set task.exclude: [3].")]
    assert [note for note in notes if "test queries are also in the train split" in note]
