"""A run that was copied with its data is measured and resumed with these, and not with those of the project it is from."""

from __future__ import annotations

import json
import shutil

import pytest

from moft.cli.app import main
from tests.conftest import SMALL

FIRST = {"0": "1", "1": "0"}


@pytest.fixture(scope="module")
def begun(lists, tmp_path_factory):
    """A folder with `data` and a run of these."""
    folder = tmp_path_factory.mktemp("begun")
    shutil.copytree(lists, folder / "data")
    (folder / "small.yaml").write_text(SMALL.format(data="data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "small.yaml", "--out", "run"]) == 0
    return folder


@pytest.fixture
def projects(begun, tmp_path, monkeypatch):
    """Two copies of that folder, whose runs began in the first. The working folder is a third one."""
    for name in ("a", "b"):
        shutil.copytree(begun, tmp_path / name)
        file = tmp_path / name / "run" / "versions.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "folder": str(tmp_path / "a")}))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "a", tmp_path / "b"


def change(folder):
    """Swaps the grades of the first objective in the test split."""
    file = folder / "data" / "test.txt"
    rows = [line.split(" ") for line in file.read_text().splitlines()]
    for row in rows:
        row[:] = [f"9:{FIRST.get(word[2:], '0')}" if word.startswith("9:") else word for word in row]
    file.write_text("\n".join(map(" ".join, rows)) + "\n")


def values(front):
    return [point["values"] for point in json.loads((front / "front.json").read_text())["points"]]


def notes(said):
    return [line for line in said.mistakes if "run began" in line]


def test_a_copied_run_is_measured_on_its_own_data_where_those_of_the_original_have_changed(projects, moft, begun):
    change(projects[0])
    said = moft("profile", projects[1] / "run")
    assert (said.code, notes(said)) == (0, [])
    assert values(projects[1] / "run" / "profiles" / "test-3") == values(begun / "run")


def test_an_original_is_measured_on_its_own_data(projects, moft, begun):
    change(projects[1])
    assert moft("profile", projects[1] / "run").code == 0
    assert values(projects[1] / "run" / "profiles" / "test-3") == values(begun / "run")


def test_changed_data_are_measured_and_said_in_one_line_and_in_the_front(projects, moft, begun):
    change(projects[0])
    change(projects[1])
    said = moft("profile", projects[1] / "run")
    assert said.code == 0
    (line,) = notes(said)
    assert "its data have changed since the run began (splits.test.sha256: [" in line
    front = json.loads((projects[1] / "run" / "profiles" / "test-3" / "front.json").read_text())
    assert front["notes"][-1].startswith("Measured on other data than the run recorded: its data have changed")
    kept = json.loads((projects[1] / "run" / "versions.json").read_text())["data"]
    assert front["run"]["data"]["splits"]["test"]["sha256"] != kept["splits"]["test"]["sha256"]
    assert values(projects[1] / "run" / "profiles" / "test-3") != values(begun / "run")


def test_a_run_scores_without_its_data(projects, moft, lists):
    for folder in projects:
        shutil.rmtree(folder / "data")
    assert moft("score", projects[1] / "run", lists / "test.txt", "--weights", "0.5,0.5").code == 0


@pytest.mark.parametrize("words", [(), ("--plan",)])
def test_a_run_is_resumed_from_any_working_folder_by_its_own_config(words, projects, moft):
    run = projects[1] / "run"
    shutil.rmtree(projects[0])
    (run / "front.json").unlink()
    kept = (run / "config.yaml").read_text()
    said = moft("train", run / "config.yaml", "--out", run, "--resume", *words)
    assert (said.code, notes(said)) == (0, [])
    assert (run / "front.json").exists() is not bool(words)
    assert (run / "config.yaml").read_text() == kept
    assert json.loads((run / "versions.json").read_text())["folder"] == str(projects[0] if words else projects[1])


def test_a_resume_takes_the_data_that_the_run_recorded(projects, moft, monkeypatch):
    change(projects[0])
    monkeypatch.chdir(projects[0])
    run = projects[1] / "run"
    (run / "front.json").unlink()
    assert moft("train", run / "config.yaml", "--out", run, "--resume").code == 0
    assert json.loads((run / "versions.json").read_text())["folder"] == str(projects[1])


def test_a_resume_with_changed_data_is_refused_as_before(projects, moft):
    for folder in projects:
        change(folder)
    said = moft("train", projects[1] / "run" / "config.yaml", "--out", projects[1] / "run", "--resume")
    assert said.code == 2
    assert "its data have changed since the run began" in said.mistakes[-1]
