"""The trackers that a config names: had before anything begins, told of the whole run, and no part of what is trained."""

from __future__ import annotations

import sys

import pytest

LINES = """
from moft import Component, hookimpl


class Lines:
    def __init__(self, run, *, file: str):
        self.run, self.file = run, file

    def write(self, *words):
        with open(self.file, "a") as file:
            print(self.run.name, *words, file=file)

    def run_started(self):
        self.write("started", (self.run.folder / "config.yaml").exists())

    def step_ended(self, step, values):
        if "hypervolume" in values:
            self.write(values["job"], "evaluated")

    def front_profiled(self, front):
        self.write("front", len(front.points), *((self.run.folder / f"front.{kind}").exists() for kind in ("json", "csv", "png")))

    def run_ended(self, error):
        self.write("ended", error)


@hookimpl
def moft_trackers():
    yield Component("lines", Lines, "lines in a file")
"""


@pytest.mark.parametrize("words", [(), ("--plan",)])
def test_a_missing_library_is_told_before_anything_begins(words, config, moft, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    said = moft("train", config, "--out", tmp_path / "run", "--set", "trackers=[{name: wandb, project: mine}]", *words)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert "[trackers.0] tracker 'wandb' cannot import wandb (" in said.mistakes[0]
    assert "run pip install 'moft[wandb]' or remove the tracker." in said.mistakes[0]
    assert not (tmp_path / "run").exists()


def test_a_mistake_in_the_settings_of_a_tracker_is_told_with_its_path(config, moft):
    said = moft("train", config, "--plan", "--set", "trackers=[tensorbord, {name: wandb, mode: of}]")
    first, second = said.mistakes
    assert said.code == 2
    assert "trackers.0: unknown tracker 'tensorbord'. Did you mean 'tensorboard'?" in first
    assert "trackers.1.mode: " in second


@pytest.mark.slow
def test_a_tracker_is_told_of_the_whole_run_and_again_when_it_is_resumed(config, moft, tmp_path):
    (tmp_path / "lines.py").write_text(LINES, encoding="utf-8")
    sets = (f"plugins=[{tmp_path / 'lines.py'}]", f"trackers=[{{name: lines, file: {tmp_path / 'told.txt'}}}]")
    words = [word for text in sets for word in ("--set", text)]
    assert moft("train", config, "--out", tmp_path / "run", *words).code == 0
    told = (tmp_path / "told.txt").read_text(encoding="utf-8").splitlines()
    assert (told[0], told[-1]) == ("run started True", "run ended None")
    assert "run policy evaluated" in told
    assert told[-2].startswith("run front ")
    assert told[-2].endswith(" True True True")
    assert moft("train", config, "--out", tmp_path / "run", "--resume", *words[:2]).code == 0
    assert len((tmp_path / "told.txt").read_text(encoding="utf-8").splitlines()) == len(told)
