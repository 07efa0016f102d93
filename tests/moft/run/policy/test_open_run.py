"""A finished run, opened from Python, gives the scores of the command line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

import moft
from moft.api import Tradeoff
from moft.errors import RunError, ShapeError
from moft.hooks.plugin_manager import Plugins
from moft.run.policy.measure import measure
from moft.run.policy.open_run import open_run

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
