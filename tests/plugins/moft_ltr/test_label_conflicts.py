"""The page on conflicts of a ranking dataset: hand-made queries, base scores, and what cannot be shown."""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from moft import ConfigError, DataError
from moft.api import Objective, Plugins, batches_of
from moft_ltr.data.dataset import Dataset, open_dataset
from moft_ltr.label_conflicts import conflict_page, gain_shares
from moft_ltr.metrics.ranking import ranking
from moft_ltr.metrics.tied_metrics import ndcg


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    loaded = Plugins()
    loaded.load()
    return loaded


def opened(tmp_path: Path, name: str = "data", queries: int = 4) -> Dataset:
    """Relevance and column 1 rise, column 2 falls, column 3 is constant, column 4 is that of a base, column 5 rises, too."""
    rows = [f"{i} qid:{q} 1:{i} 2:{3 - i} 3:5 4:{(i * 3) % 4} 5:{2 * i}\n" for q in range(queries) for i in range(4)]
    (tmp_path / f"{name}.txt").write_text("".join(rows))
    return open_dataset(tmp_path / f"{name}.txt", tmp_path / "cache")


def shown(plugins: Plugins, splits: dict[str, Dataset], labels: dict[str, int], base: str | None = None) -> str:
    console = Console(width=200, highlight=False, markup=False)
    with console.capture() as capture:
        for part in conflict_page(splits, labels, base, plugins):
            console.print(part)
    return capture.get()


def row(text: str, name: str) -> list[str]:
    found = re.search(rf"^ *{re.escape(name)} +(.*)$", text, flags=re.M)
    assert found, text
    return found[1].split()


def test_opposed_objectives_conflict_in_every_query(tmp_path: Path, plugins: Plugins) -> None:
    text = shown(plugins, {"data": opened(tmp_path)}, {"up": 1, "down": 2})
    assert row(text, "up, down") == ["-1.00", "100%", "100%", "4"]
    assert row(text, "relevance, up")[1:] == ["0%", "0%", "4"]
    up, down = row(text, "best for up"), row(text, "best for down")
    assert up[:2] == ["1.000", "1.000"]
    assert up[2] == down[1]
    assert "mean over 4 queries of data" in text
    assert "No base is shown" in text
    assert "The row of relevance is that of a perfect ranker" in text
    assert "profile.points: 11" in text


def test_alike_objectives_may_be_merged(tmp_path: Path, plugins: Plugins) -> None:
    text = shown(plugins, {"data": opened(tmp_path)}, {"up": 1, "too": 5, "flat": 3})
    assert "up and too may be merged" in text
    assert "profile.points: 3" in text
    assert "flat orders no documents of a query, so it is left out." in text


def test_base_scores_of_a_column_are_measured(tmp_path: Path, plugins: Plugins) -> None:
    text = shown(plugins, {"data": opened(tmp_path)}, {"up": 1, "down": 2}, "4")
    gains = torch.tensor([1.0, 3, 2, 0])  # of `up` in the order of the base: 3, 2, 1, 0 of column 4
    order = [gains[0], torch.tensor(2.0), torch.tensor(3.0), torch.tensor(0.0)]
    discounts = 1 / torch.log2(torch.arange(4) + 2.0)
    expected = (torch.stack(order) * discounts).sum() / (torch.tensor([3.0, 2, 1, 0]) * discounts).sum()
    assert row(text, "base")[1] == f"{expected:.3f}"
    assert "No base is shown" not in text
    assert "base: the scores of 4." in text
    assert "The base has" in text


def test_base_scores_of_a_lightgbm_model_are_measured(tmp_path: Path, plugins: Plugins) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    data = opened(tmp_path)
    inputs = np.array(data.features)[:, :3].copy()
    settings = {"min_data_in_leaf": 1, "min_data_in_bin": 1, "num_threads": 1, "verbose": -1}
    lightgbm.train(settings, lightgbm.Dataset(inputs, inputs[:, 0].copy()), 20).save_model(tmp_path / "model.txt")
    text = shown(plugins, {"data": data}, {"up": 5, "other": 4}, str(tmp_path / "model.txt"))
    assert row(text, "base") == row(text, "best for up")
    with pytest.raises(ConfigError, match=r"--base: feature 1 of .* Write its scores into a column, and name that\.$"):
        shown(plugins, {"data": data}, {"up": 1, "down": 2}, str(tmp_path / "model.txt"))


def test_values_are_of_the_queries_that_are_not_trained_on(tmp_path: Path, plugins: Plugins) -> None:
    splits = {
        "train": opened(tmp_path, "train", 5),
        "validation": opened(tmp_path, "vali", 2),
        "test": opened(tmp_path, "test", 1),
    }
    text = shown(plugins, splits, {"up": 1, "down": 2})
    assert "those of 8 queries of train, validation, test" in text
    assert "mean over 3 queries of validation, test" in text


def test_many_queries_are_sampled_and_it_says_so(tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moft_ltr.label_conflicts.MAX_QUERIES", 3)
    monkeypatch.setattr("moft_ltr.label_conflicts.MAX_DOCUMENTS", 2)
    text = shown(plugins, {"data": opened(tmp_path)}, {"up": 1, "down": 2}, "4")
    assert "3 of 4 queries of data" in text
    assert row(text, "up, down") == ["-1.00", "100%", "100%", "3"]


@pytest.mark.parametrize(
    ("base", "error", "message"),
    [
        ("nowhere.txt", ConfigError, "--base nowhere.txt: is neither a column of the data nor a file"),
        ("1", ConfigError, "--base 1: is the label of 'up'; name a column of scores that do not know it"),
        ("9", DataError, "--base: there is no column 9; the file has columns 1 to 5"),
        ("3", DataError, "--base: every training document has the base score 5"),
        (__file__, DataError, "--base: .*is not a LightGBM model file"),
    ],
)
def test_a_base_that_is_none_is_refused_in_one_line(
    tmp_path: Path, plugins: Plugins, base: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        shown(plugins, {"data": opened(tmp_path)}, {"up": 1}, base)
    assert "\n" not in str(raised.value)
    assert "task." not in str(raised.value)


def test_without_two_labels_that_order_nothing_is_shown(tmp_path: Path, plugins: Plugins) -> None:
    text = shown(plugins, {"data": opened(tmp_path)}, {"flat": 3})
    assert "Conflicts cannot be shown" in text
    assert "flat orders no documents" in text


def test_the_column_relevance_of_a_table_is_the_main_objective(tmp_path: Path, plugins: Plugins) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "t.csv").write_text("query,relevance,clicks\na,0,3\na,,1\na,2,0\n")
    text = shown(plugins, {"t": open_dataset(tmp_path / "t.csv", tmp_path / "cache")}, {"clicks": 2})
    assert row(text, "relevance, clicks")[1:] == ["100%", "100%", "1"]


def test_no_table_is_wider_than_a_terminal(tmp_path: Path, plugins: Plugins) -> None:
    labels = {f"objective-{number}-of-many": 1 + number % 2 for number in range(6)}
    text = shown(plugins, {"data": opened(tmp_path)}, labels)
    assert text.count("What each order has") == 4
    rows = [line for line in text.splitlines() if line.startswith(" best for ")]
    assert max(map(len, rows)) <= 82
    assert len(rows) == 4 * 7


def test_one_objective_is_set_against_relevance(tmp_path: Path, plugins: Plugins) -> None:
    text = shown(plugins, {"data": opened(tmp_path)}, {"down": 2})
    assert row(text, "relevance, down")[1:] == ["100%", "100%", "4"]
    assert "only the dial trades it" in text


def test_no_order_has_a_larger_sum_of_ndcg_than_that_of_the_shares() -> None:
    objectives = (Objective("a"), Objective("b", gain="exp2"))
    labels = torch.tensor([[1.0, 0], [0, 2], [3, 1], [2, 0], [0.5, 2]])
    (batch,) = batches_of([{"features": torch.zeros(5, 1), "labels": labels}], device=torch.device("cpu"))

    def total(scores: torch.Tensor) -> float:
        ranked = ranking(scores.view(1, 1, -1), batch.items, 10)
        return sum(
            ndcg(ranked, batch.labels[..., index], batch.mask[..., index], each.gain, "skip").item()
            for index, each in enumerate(objectives)
        )

    best = max(total(torch.tensor(order, dtype=torch.float32)) for order in permutations(range(5)))
    assert total(gain_shares(objectives)(batch).sum(-1)) == pytest.approx(best)
