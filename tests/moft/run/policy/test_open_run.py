"""A finished run, opened from Python, gives the scores of the command line."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

import moft
import moft_ltr
from moft.api import Tradeoff
from moft.config.yaml12 import load
from moft.errors import ConfigError, DataError, RunError, ShapeError
from moft.hooks.plugin_manager import Plugins
from moft.run.policy.measure import measure
from moft.run.policy.open_run import open_run
from moft_ltr.data.dataset import open_dataset

MINE = """from moft import Component, hookimpl


class Mine:
    name, meaning = "spacing", "nothing"

    def __call__(self, points, weights):
        return 0.0


@hookimpl
def moft_indicators():
    yield Component("spacing", Mine, "another indicator of this name")
"""


def test_scores_are_those_of_the_policy_in_the_order_of_the_file(finished: Path, lists: Path) -> None:
    run = moft.open_run(finished, device="cpu")
    path = lists / "test.txt"
    m = len(run.task.objectives)
    weights = [1.0] + [0.0] * (m - 1)
    scores, closer = run.scores(path, weights), run.scores(path, weights, dial=4.0)
    expected: dict[int, list[float]] = {}
    references: dict[int, list[float]] = {}
    for batch in run.task.read(path):
        with torch.no_grad():
            found = run.policy(batch, Tradeoff(torch.tensor([weights]), run.trained_betas))
        for row, index in enumerate(batch.lists.tolist()):
            expected[index] = found[row][batch.items[row]].tolist()
            references[index] = batch.reference[row][batch.items[row]].tolist()
    flat = [score for index in sorted(expected) for score in expected[index]]
    base = [score for index in sorted(references) for score in references[index]]
    assert scores == pytest.approx(flat, abs=1e-5)
    assert closer == pytest.approx([b + (s - b) / 4 for s, b in zip(flat, base, strict=True)], abs=1e-5)


def test_weights_off_the_simplex_are_refused(finished: Path, lists: Path) -> None:
    run = moft.open_run(finished, device="cpu")
    with pytest.raises(ShapeError, match="must sum to 1"):
        run.scores(lists / "test.txt", [1.0] * len(run.task.objectives))


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        moft.open_run(tmp_path)


def test_what_modules_tell_of_what_they_learned_stands_in_the_notes_of_a_front(finished: Path) -> None:
    run = moft.open_run(finished, device="cpu")
    run.policy.model.findings = lambda: ["First.", "Second."]
    run.policy.findings = lambda: ["First."]  # said once
    front = measure(run, replace(run.settings.profile, points=2, bootstrap_samples=2)).front
    assert front.notes == ("First.", "Second.")


def test_a_file_that_a_run_was_trained_by_goes_before_what_was_installed_since(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / "plugins").mkdir()
    (run / "plugins" / "mine.py").write_text(MINE)
    config = run / "config.yaml"
    assert "plugins: []" in config.read_text()
    config.write_text(config.read_text().replace("plugins: []", "plugins: [mine.py]"))
    plugins = Plugins()
    plugins.load()
    versions = json.loads((run / "versions.json").read_text())
    versions["plugin_files"] = {"mine.py": sha256(MINE.encode()).hexdigest()}
    (run / "versions.json").write_text(json.dumps(versions))
    indicators = open_run(run, plugins, device="cpu", trust=True).settings.profile.indicators
    assert [one.meaning == "nothing" for one in indicators] == [one.name == "spacing" for one in indicators]
    assert any(one.name == "spacing" for one in indicators)


def test_a_scorer_that_is_not_installed_is_missing_when_the_run_is_measured_only(
    finished: Path, lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, plugins = shutil.copytree(finished, tmp_path / "run"), Plugins()
    plugins.load()
    config = load((run / "config.yaml").read_text())
    names = moft.open_run(finished, device="cpu").names
    config["profile"]["evaluator"] = {"name": "generation", "scorers": dict.fromkeys(names, "vader")}
    (run / "config.yaml").write_text(json.dumps(config))
    monkeypatch.setitem(sys.modules, "vaderSentiment", None)
    opened = open_run(run, plugins, device="cpu")
    assert len(opened.scores(lists / "test.txt", [1.0, *[0.0] * (len(names) - 1)]))
    told = rf"^\[profile\.evaluator\.scorers\.{names[0]}\] scorer 'vader' needs the package vaderSentiment: pip install"
    with pytest.raises(ConfigError, match=told):
        measure(opened, opened.settings.profile)


def test_weights_by_name_are_those_in_order(finished: Path, lists: Path) -> None:
    run, path = moft.open_run(finished, device="cpu"), lists / "test.txt"
    expected = run.scores(path, [0.0, 1.0])
    assert run.scores(path, {"second": 1.0}) == expected
    assert run.scores(path, [{"second": 1.0}] * run.task.read(path).lists) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(DataError, match="weights: 'third' is not an objective"):
        run.scores(path, {"third": 1.0})


def test_a_frame_is_scored_as_the_file_and_ids_come_back(finished: Path, lists: Path) -> None:
    run, path = moft.open_run(finished, device="cpu"), lists / "test.txt"
    data = open_dataset(path, lists)
    items = [f"d{number}" for number in range(len(data.features))]
    sizes = [int(size) for size in data.offsets[1:] - data.offsets[:-1]]
    scores = run.scores(moft_ltr.table(data.features[:, :8], sizes, queries=data.qids.tolist(), items=items), [0.5, 0.5])
    of_file = run.scores(path, [0.5, 0.5])
    assert scores == of_file
    assert (scores.items, of_file.items) == (items, [])
    assert list(map(str, scores.lists)) == of_file.lists
    assert of_file.lists[: sizes[0]] == [str(data.qids[0])] * sizes[0]


def test_a_task_that_takes_no_frames_says_so(finished: Path) -> None:
    run = moft.open_run(finished, device="cpu")

    class Files:
        objectives = run.task.objectives

    with pytest.raises(ConfigError, match="the task of the run takes no list; give the path of a file"):
        replace(run, task=Files()).scores([], [0.5, 0.5])  # type: ignore[arg-type]


def test_plugins_that_are_loaded_already_are_taken(finished: Path, plugins: Plugins) -> None:
    assert moft.open_run(finished, plugins=plugins).names == ("first", "second")
    with pytest.raises(RunError, match="cannot be opened"):
        moft.open_run(finished, plugins=Plugins())
