"""What describing finds: label facts, agreement against scipy, and sentences on conflict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from moft import DataError
from moft_ltr.data.dataset import Dataset, open_dataset
from moft_ltr.data.readers.svmlight import convert
from moft_ltr.data.statistics import (
    MAX_DOCUMENTS,
    MAX_QUERIES,
    agreement,
    describe,
    evenly_spaced,
    label_facts,
    label_values,
    open_splits_at,
)


def shown(splits: dict[str, Dataset], labels: dict[str, int] | None = None) -> str:
    console = Console(width=100, highlight=False)
    with console.capture() as capture:
        console.print(describe(splits, labels))
    return capture.get()


def opposed(tmp_path: Path, lists: int = 3, name: str = "data") -> Dataset:
    rows = [f"{i} qid:{q} 1:{i} 2:{9 - i} 3:5\n" for q in range(lists) for i in range(4)]
    (tmp_path / f"{name}.txt").write_text("".join(rows))
    convert(tmp_path / f"{name}.txt", tmp_path / name, labels={"up": 1, "down": 2})
    return open_dataset(tmp_path / name, tmp_path)


def test_label_facts_count_lists_that_say_nothing() -> None:
    values, offsets = np.array([0.0, 0, 3, 3, 1, 5]), np.array([0, 2, 4, 6])
    facts = label_facts("clicks", values, offsets)
    assert (facts.name, facts.nonzero, facts.low, facts.median, facts.high) == ("clicks", 4 / 6, 0, 2, 5)
    assert (facts.zero, facts.constant) == (1, 2)


def test_values_are_relevance_and_then_the_labels(tmp_path: Path) -> None:
    values = label_values(opposed(tmp_path, lists=1), {"down": 2, "up": 1})
    assert values.tolist() == [[i, 9 - i, i] for i in range(4)]


def test_agreement_is_kendalls_tau_b() -> None:
    from scipy.stats import kendalltau

    generator = np.random.default_rng(0)
    offsets = np.array([0, 2, 9, 40])
    values = generator.integers(0, 4, (40, 3)).astype(float)
    values[:2, 0] = 1
    found = agreement(values, offsets, np.arange(3))
    for number in range(3):
        items = values[offsets[number] : offsets[number + 1]]
        expected = [[kendalltau(a, b).statistic for b in items.T] for a in items.T]
        assert np.allclose(found[number], expected, equal_nan=True)
    assert np.isnan(found[0, 0]).all()


def test_a_very_long_list_is_measured_on_some_of_its_items() -> None:
    values = np.column_stack([np.arange(3 * MAX_DOCUMENTS), -np.arange(3 * MAX_DOCUMENTS)]).astype(float)
    found = agreement(values, np.array([0, len(values)]), np.array([0]))
    assert np.allclose(found[0], [[1, -1], [-1, 1]])


def test_numbers_are_spread_evenly_from_first_to_last() -> None:
    assert evenly_spaced(3, 5).tolist() == [0, 1, 2]
    assert evenly_spaced(9, 5).tolist() == [0, 2, 4, 6, 8]


def test_objectives_in_conflict_get_a_sentence_and_others_none(tmp_path: Path) -> None:
    text = " ".join(shown({"data": opposed(tmp_path)}).split())
    assert (
        "up and down conflict: they order about 100% of the pairs of documents in opposite ways, ties left out (tau-b -1.00)."
        in text
    )
    assert "relevance and down conflict" in text
    assert "relevance and up conflict" not in text
    assert "mean over all 3 queries" in text


def test_harmony_is_said_as_well(tmp_path: Path) -> None:
    assert "No pair conflicts strongly" in shown({"data": opposed(tmp_path)}, {"up": 1})


def test_labels_that_are_given_replace_those_of_the_data(tmp_path: Path) -> None:
    text = shown({"data": opposed(tmp_path)}, {"flat": 3})
    assert "flat" in text
    assert "down" not in text


def test_a_label_beyond_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="label 'x' is column 4; the data has columns 1 to 3"):
        describe({"data": opposed(tmp_path)}, {"x": 4})


def test_without_labels_it_says_how_to_name_them(tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("1 qid:1 1:1\n0 qid:1 1:2\n")
    text = shown(open_splits_at(tmp_path / "plain.txt", tmp_path / "cache"))
    assert "--label NAME=COLUMN" in text
    assert "Agreement" not in text


def test_many_lists_are_sampled_and_it_says_so(tmp_path: Path) -> None:
    text = " ".join(shown({"data": opposed(tmp_path, lists=MAX_QUERIES + 100)}).split())
    assert f"mean over {MAX_QUERIES} of {MAX_QUERIES + 100} queries, evenly spaced" in text


def test_a_folder_of_splits_is_described_split_by_split(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("train", "dev"):
        opposed(folder, name=name)
        (folder / f"{name}.txt").unlink()
    splits = open_splits_at(folder, tmp_path / "cache")
    assert list(splits) == ["train", "validation"]
    text = shown(splits)
    assert "Labels of train" in text
    assert "Labels of validation" in text
    assert "mean over all 6 queries" in " ".join(text.split())


def test_a_split_that_is_there_twice_is_not_passed_over(tmp_path: Path) -> None:
    for name in ("train", "vali", "dev"):
        (tmp_path / f"{name}.txt").write_text("1 qid:1 1:1\n")
    with pytest.raises(DataError, match="more than one validation split"):
        open_splits_at(tmp_path, tmp_path / "cache")


def test_one_file_goes_by_its_own_name(tmp_path: Path) -> None:
    opposed(tmp_path, name="queries")
    assert list(open_splits_at(tmp_path / "queries.txt", tmp_path / "cache")) == ["queries"]
    assert list(open_splits_at(tmp_path / "queries", tmp_path / "cache")) == ["queries"]


def test_a_folder_of_neither_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is neither a converted dataset \(it has no meta\.json\) nor a folder of splits"):
        open_splits_at(tmp_path, tmp_path / "cache")
