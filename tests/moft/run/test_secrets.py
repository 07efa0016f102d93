"""Secrets of a config reach the components that need them, and no file, message or tracker's record."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from moft.cli.app import main

VALUE = "hunter2/very&secret"
PLUGIN = """
import json
from pathlib import Path
from moft import Component, ConfigError, hookimpl


class Board:
    def __init__(self, run, *, file: str, key: str):
        if key.startswith("wrong"):
            raise ConfigError(f"key {key!r} is refused.")
        self.run, self.file, self.key = run, Path(file), key

    def run_started(self):
        self.file.write_text(json.dumps({"key": self.key, "config": dict(self.run.config)}))
        raise ValueError(f"no connection with {self.key}")

    def step_ended(self, step, values): pass
    def front_profiled(self, front): pass
    def run_ended(self, error): pass


class Mine:
    name, meaning = "mine", "nothing"

    def __init__(self, *, password: str):
        self.password = password

    def __call__(self, points, weights):
        return float(len(self.password))


@hookimpl
def moft_trackers():
    yield Component("board", Board, "a board")


@hookimpl
def moft_indicators():
    yield Component("mine", Mine, "mine")
"""


@pytest.fixture
def secret(config, tmp_path, monkeypatch):
    """A config with a secret of a tracker and one of an indicator."""
    monkeypatch.setenv("BOARD_API_KEY", VALUE)
    monkeypatch.setenv("MINE", VALUE[::-1])
    (tmp_path / "mine.py").write_text(PLUGIN)
    indicators = "ndcg, indicators: [{name: mine, password: '${secret:MINE}'}],"
    config.write_text(
        f"plugins: [{tmp_path / 'mine.py'}]\n{config.read_text().replace('ndcg,', indicators)}\n"
        f"trackers:\n- name: board\n  file: {tmp_path / 'board.json'}\n  key: ${{BOARD_API_KEY}}\n"
    )
    return config


def holding(folder, *values):
    """The files under a folder that hold one of the values."""
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(value.encode() in path.read_bytes() for value in values) and path.name != "board.json"
    ]


def test_components_get_a_secret_and_nothing_else_shows_it(secret, moft, tmp_path, lists, capsys, monkeypatch):
    run = tmp_path / "run"
    for words in (("--plan",), (), ("--resume",)):
        moft("config", "check", secret)
        capsys.readouterr()
        assert main(["train", str(secret), "--out", str(run), *words, *(["--trust"] if "--plan" in words else [])]) == 0
        out, err = capsys.readouterr()
        assert VALUE not in out + err
        assert VALUE[::-1] not in out + err
    assert "no connection with ${BOARD_API_KEY}" in err
    told = json.loads((tmp_path / "board.json").read_text())
    assert told["key"] == VALUE
    assert told["config"]["trackers"][0]["key"] == "${BOARD_API_KEY}"
    assert json.loads((run / "front.json").read_text())["indicators"] == {"mine": float(len(VALUE))}
    assert holding(run, VALUE, VALUE[::-1]) == []
    text = (run / "config.yaml").read_text()
    assert "${BOARD_API_KEY}" in text
    assert "${secret:MINE}" in text

    # resumed and opened: what is compared are references, what is needed has to be set
    monkeypatch.setenv("MINE", "another one")
    (run / "front.json").unlink()
    assert moft("train", run / "config.yaml", "--out", run, "--resume").code == 0
    assert json.loads((run / "front.json").read_text())["indicators"] == {"mine": float(len("another one"))}
    monkeypatch.delenv("BOARD_API_KEY")
    assert moft("score", run, lists / "test.txt", "--weights", "0.5,0.5").code == 0  # which needs no tracker
    monkeypatch.delenv("MINE")
    said = moft("score", run, lists / "test.txt", "--weights", "0.5,0.5")
    where = "profile.indicators.0.password: environment variable ${secret:MINE} is not set, in '${secret:MINE}'."
    assert said.mistakes == [f"moft: error: {run}: cannot be opened: {where}"]


def test_an_error_of_a_component_shows_the_reference(secret, moft, tmp_path, monkeypatch):
    monkeypatch.setenv("BOARD_API_KEY", "wrong-one")
    said = moft("train", secret, "--out", tmp_path / "run")
    assert said.mistakes == ["moft: error: [trackers.0] key '${BOARD_API_KEY}' is refused."]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_sweep_keeps_references(secret, moft, tmp_path, warm):
    settings = secret.read_text().replace("epochs: 2, device", "epochs: 1, device")
    secret.write_text(settings)
    said = moft("sweep", secret, "--over", "profile.indicators.0.password=${BOARD_API_KEY},b", "--out", tmp_path / "sweep")
    assert (said.code, said.mistakes) == (0, [])
    assert holding(tmp_path / "sweep", VALUE, VALUE[::-1]) == []
    assert not [path for path in (tmp_path / "sweep").iterdir() if "hunter" in path.name]
    fronts = sorted(json.loads(path.read_text())["indicators"]["mine"] for path in (tmp_path / "sweep").glob("*/front.json"))
    assert fronts == [1.0, float(len(VALUE))]


def test_the_place_of_a_plugin_file_is_no_secret(config, moft, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_FOLDER", str(tmp_path))
    said = moft("train", config, "--set", "plugins=['${KEY_FOLDER}/mine.py']")
    assert said.mistakes == [
        "moft: error: plugins: '${KEY_FOLDER}/mine.py': the place of a file cannot be a secret; give the variable another name."
    ]


def test_a_run_from_before_that_holds_a_value_goes_on_from_its_own_config(finished, moft, lists, tmp_path, monkeypatch):
    """The value stands there as it did: nothing is looked up."""
    run = shutil.copytree(finished, tmp_path / "run")
    assert moft("train", run / "config.yaml", "--out", run, "--resume").code == 0
    assert moft("score", run, lists / "test.txt", "--weights", "0.5,0.5").code == 0


def test_files_and_folders_of_a_run_follow_the_umask(config, moft, tmp_path):
    before = os.umask(0o027)
    try:
        assert moft("train", config, "--out", tmp_path / "run").code == 0
        assert moft("profile", tmp_path / "run", "--split", "validation").code == 0
    finally:
        os.umask(before)
    for path in [tmp_path / "run", *(tmp_path / "run").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640), path
