"""What describing finds in preference data, and which data it leaves to others."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import pytest
import torch
from rich.console import Console

from moft import DataError
from moft.api import Plugins, batches_of
from moft_llm.label_conflicts import describe_data, net_wins

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    loaded = Plugins()
    loaded.load()
    return loaded


def lists(path: Path, labels: Sequence[Mapping[str, Sequence[float | None]]]) -> str:
    rows = [
        {"prompt": f"p{i}", "responses": [f"r{j}" for j in range(len(next(iter(each.values()))))], "labels": each}
        for i, each in enumerate(labels)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def shown(plugins: Plugins, path: str) -> str:
    console = Console(width=200, highlight=False, markup=False)
    parts = describe_data(path, plugins)
    assert parts is not None
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get()


def row(text: str, name: str) -> list[str]:
    found = re.search(rf"^ *{re.escape(name)} +(.*)$", text, flags=re.M)
    assert found, text
    return found[1].split()


def test_pairs_that_oppose_are_counted(tmp_path: Path, plugins: Plugins) -> None:
    alike, opposed = {"good": [1, 0], "safe": [1, 0]}, {"good": [1, 0], "safe": [0, 1]}
    text = shown(plugins, lists(tmp_path / "a.jsonl", [alike, alike, alike, opposed]))
    assert row(text, "good, safe") == ["0.50", "25%", "25%", "4"]
    assert row(text, "2 safe") == ["0.50"]
    assert row(text, "random") == ["0.500", "0.500"]
    assert row(text, "best for good") == ["1.000", "0.750"]
    assert row(text, "equal weights") == ["0.875", "0.875"]
    assert "listnet with target: sum" in text
    assert "No base model is loaded" in text
    assert "profile.points: 6 (5 steps" in text


def test_graded_labels_with_gaps_are_standardised(tmp_path: Path, plugins: Plugins) -> None:
    text = shown(
        plugins, lists(tmp_path / "a.jsonl", [{"good": [4, 2, None], "[b]": [1, 3, 5]}, {"good": [2, 2], "[b]": [0, 9]}])
    )
    assert row(text, "good, [b]")[1:] == ["100%", "100%", "1"]
    assert row(text, "good") == ["80.0%", "2", "2", "4", "1"]
    assert "transform: standardise" in text


def test_objectives_on_different_prompts_say_nothing_of_each_other(tmp_path: Path, plugins: Plugins) -> None:
    text = shown(plugins, lists(tmp_path / "a.jsonl", [{"good": [1, 0]}, {"safe": [0, 1]}]))
    assert row(text, "good, safe") == ["-", "-", "-", "0"]
    assert "No prompt has labels that order responses for both good and safe" in text


def test_one_label_has_no_conflict(tmp_path: Path, plugins: Plugins) -> None:
    text = shown(plugins, lists(tmp_path / "a.jsonl", [{"good": [1, 0], "flat": [1, 1]}]))
    assert "Conflicts cannot be shown" in text
    assert "flat orders no responses to a prompt" in text


def test_other_readers_are_found(tmp_path: Path, plugins: Plugins) -> None:
    (tmp_path / "rated.json").write_text(json.dumps([{"prompt": "p", "response": r, "x": v} for r, v in (("a", 1), ("b", 3))]))
    assert row(shown(plugins, str(tmp_path / "rated.json")), "x") == ["100.0%", "1", "2", "3", "1"]


def test_many_prompts_are_sampled_and_it_says_so(tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moft_llm.label_conflicts.MAX_PROMPTS", 2)
    text = shown(plugins, lists(tmp_path / "a.jsonl", [{"good": [1, 0], "safe": [0, 1]}] * 5))
    assert "2 of 5 prompts" in text
    assert row(text, "good, safe")[-1] == "2"


def test_data_of_rankers_is_left_to_others(tmp_path: Path, plugins: Plugins) -> None:
    (tmp_path / "train.txt").write_text("1 qid:1 1:1\n")
    (tmp_path / "meta.json").write_text("{}")
    (tmp_path / "known_front.json").write_text("{}")
    for path in (tmp_path, tmp_path / "train.txt", tmp_path / "nothing"):
        assert describe_data(str(path), plugins) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no prompt"),
        ('{"prompt": "a"', r"a.jsonl:1: is not JSON"),
        ('{"question": "a"}', "is no layout of these"),
        ('{"prompt": "a", "responses": ["b"], "labels": {"x": [1]}}', "has no prompt with two responses or more"),
    ],
)
def test_data_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, plugins: Plugins, content: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(DataError, match=message) as raised:
        describe_data(str(tmp_path / "a.jsonl"), plugins)
    assert "\n" not in str(raised.value)


def test_net_wins_order_as_the_labels_do_and_count_pairs() -> None:
    labels = torch.tensor([[4.0, 1], [2, 1], [2, 0]])
    (batch,) = batches_of([{"features": torch.zeros(3, 1), "labels": labels}], device=CPU)
    assert net_wins(batch)[0].tolist() == [[1.0, 0.5], [-0.5, 0.5], [-0.5, -1.0]]


def test_a_sum_of_net_wins_has_a_high_accuracy() -> None:
    labels = torch.tensor([[4.0, 1], [2, 1], [2, 0], [0, 3]])
    (batch,) = batches_of([{"features": torch.zeros(4, 1), "labels": labels}], device=CPU)

    def accuracy(scores: torch.Tensor) -> float:
        right = 0.0
        for values in labels.T:
            pairs = [(i, j) for i in range(4) for j in range(4) if values[i] > values[j]]
            right += sum(float(scores[i] > scores[j]) + 0.5 * float(scores[i] == scores[j]) for i, j in pairs) / len(pairs)
        return right

    best = max(accuracy(torch.tensor(order)) for order in permutations(range(4)))
    assert accuracy(net_wins(batch)[0].sum(-1)) >= 0.9 * best
