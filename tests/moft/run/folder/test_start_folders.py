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


def test_a_resume_where_the_run_began_records_the_same_folder(projects, moft, monkeypatch):
    monkeypatch.chdir(projects[0])
    (projects[0] / "run" / "front.json").unlink()
    assert moft("train", "small.yaml", "--out", "run", "--resume").code == 0
    assert json.loads((projects[0] / "run" / "versions.json").read_text())["folder"] == str(projects[0])


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


PLUGIN = """
from moft import Component, hookimpl

class Near:
    def __call__(self, rewards, labels, mask):
        return -(labels * rewards.masked_fill(~mask, 0.0)).sum(-1).tanh()

@hookimpl
def moft_losses():
    yield Component("near", Near, "a loss")
"""


@pytest.fixture
def with_plugin(projects, moft, monkeypatch):
    """The first project, with a finished run of a plugin in a file of its own; the working folder is a third one."""
    (projects[0] / "mine.py").write_text(PLUGIN)
    settings = ("plugins=[./mine.py]", "method.loss=near", "method.balance=none", "task.base={name: scores, column: 1}")
    with monkeypatch.context() as patch:
        patch.chdir(projects[0])
        assert moft("train", "small.yaml", "--out", "own", *(word for one in settings for word in ("--set", one))).code == 0
    return projects[0]


def resumed(moft, folder, *words):
    (folder / "own" / "front.json").unlink(missing_ok=True)
    return moft("train", folder / "own" / "config.yaml", "--out", folder / "own", "--resume", *words)


def test_a_resume_finds_the_plugin_of_the_run_from_any_working_folder(with_plugin, moft, tmp_path):
    kept = (with_plugin / "own" / "config.yaml").read_text()
    assert resumed(moft, with_plugin, "--plan").code == 0
    assert resumed(moft, with_plugin).code == 0
    (tmp_path / "elsewhere" / "mine.py").write_text("raise SystemExit('another file of this name')")
    assert resumed(moft, with_plugin).code == 0
    moved = with_plugin.rename(tmp_path / "moved")
    assert resumed(moft, moved).code == 0
    (moved / "mine.py").unlink()
    (tmp_path / "elsewhere" / "mine.py").unlink()
    assert resumed(moft, moved).code == 0  # by the copy
    assert (moved / "own" / "config.yaml").read_text() == kept


def test_a_resume_whose_plugin_is_gone_or_another_one_says_so_in_one_line(with_plugin, moft, tmp_path):
    (with_plugin / "mine.py").unlink()
    copy = with_plugin / "own" / "plugins" / "mine.py"
    copy.write_text(PLUGIN + "# edited")
    said = resumed(moft, with_plugin)
    assert (said.code, said.mistakes) == (
        2,
        [
            "moft: error: plugin file './mine.py' does not exist here, nor where the run began, and the copy "
            f"{str(copy)!r} is not the one that the run recorded; restore one of them."
        ],
    )
    copy.unlink()
    assert resumed(moft, with_plugin).mistakes[0].endswith("is missing; restore one of them.")
    (tmp_path / "elsewhere" / "mine.py").write_text(PLUGIN + "# edited")
    copy.write_text(PLUGIN)
    said = resumed(moft, with_plugin, "--trust")
    assert said.code == 2
    assert "the plugin file ./mine.py has changed since the run began (mine.py: " in said.mistakes[0]


def test_a_plugin_that_is_found_elsewhere_must_be_trusted(with_plugin, moft, monkeypatch, tmp_path):
    monkeypatch.setenv("MOFT_STATE", str(tmp_path / "state"))
    shutil.copy(with_plugin / "own" / "config.yaml", tmp_path / "elsewhere" / "mine.yaml")
    words = ("train", "mine.yaml", "--out", with_plugin / "own", "--resume")
    said = moft(*words)
    assert said.code == 2
    assert "is not trusted" in said.mistakes[0]
    assert "mine.py" in said.mistakes[0]
    assert moft(*words, "--trust").code == 0
