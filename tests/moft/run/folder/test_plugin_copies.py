"""A run keeps its plugin files as they were when it began, and goes on with no others."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from moft.errors import RunError
from moft.files.json import read_json
from moft.run.folder.plugin_copies import allow_repair, check_same_plugins, plugin_hashes, update_copies
from moft.run.folder.run_folder import RunFolder

VANISHING = """
from pathlib import Path
from moft import Component, hookimpl

class Vanishing:
    def __call__(self, rewards, labels, mask):
        Path(__file__).unlink(missing_ok=True)
        return -(labels * rewards.masked_fill(~mask, 0.0)).sum(-1).tanh()

@hookimpl
def moft_losses():
    yield Component("vanishing", Vanishing, "removes its file")
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("first = 1\n")
    return path


@pytest.fixture
def folder(tmp_path, file):
    return RunFolder.create(tmp_path / "run", {"plugins": [str(file)]})


def test_a_folder_keeps_the_plugins_from_its_first_moment_on(folder, file):
    file.write_text("second = 2\n")
    assert (folder.plugins / "mine.py").read_text() == "first = 1\n"
    assert plugin_hashes(folder) == {"mine.py": sha256(b"first = 1\n").hexdigest()}


def test_a_plugin_that_is_gone_by_then_leaves_no_folder(tmp_path):
    with pytest.raises(RunError, match="run: cannot be written"):
        RunFolder.create(tmp_path / "run", {"plugins": [str(tmp_path / "gone.py")]})
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_not_gone_on_with_by_a_plugin_that_has_changed(folder, file):
    check_same_plugins(folder, [str(file)])
    file.write_text("second = 2\n")
    there, here = (sha256(text).hexdigest()[:12] for text in (b"first = 1\n", b"second = 2\n"))
    with pytest.raises(RunError) as error:
        check_same_plugins(folder, [str(file)])
    assert str(error.value) == (
        f"{folder.path}: the plugin file {file} has changed since the run began (mine.py: {there} there, {here} here); "
        f"restore it from {folder.plugins / 'mine.py'}, or train anew with another --out."
    )
    assert (folder.plugins / "mine.py").read_text() == "first = 1\n"


def test_a_plugin_of_a_run_that_an_error_ended_may_be_repaired_once_and_a_note_says_so(folder, file):
    allow_repair(folder, [str(file)])
    for text, repairs in (("second = 2\n", 1), ("second = 2\n", 1)):
        file.write_text(text)
        check_same_plugins(folder, [str(file)])
        update_copies(folder, [str(file)])
        assert (folder.plugins / "mine.py").read_text() == text
        assert len(read_json(folder.notes)) == repairs
    assert read_json(folder.notes)[0].startswith("The plugin file mine.py was changed during the run: SHA-256 ")
    assert [path.name for path in folder.plugins.iterdir()] == ["mine.py"]
    file.write_text("third = 3\n")
    with pytest.raises(RunError, match="has changed since the run began"):
        check_same_plugins(folder, [str(file)])


def test_only_the_marks_of_the_run_s_own_plugins_are_made_and_removed(folder, file):
    names = ("mine.failed", "other.py.failed", "other.py")
    for name in names:
        (folder.plugins / name).write_text("mine")
    allow_repair(folder, [str(file)])
    update_copies(folder, [str(file)])
    assert [(folder.plugins / name).read_text() for name in names] == ["mine"] * 3
    assert not (folder.plugins / "mine.py.failed").exists()


def test_a_run_that_kept_no_plugin_yet_keeps_what_it_goes_on_with(folder, file):
    (folder.plugins / "mine.py").unlink()
    check_same_plugins(folder, [str(file)])
    update_copies(folder, [str(file)])
    assert (folder.plugins / "mine.py").read_text() == "first = 1\n"
    assert not folder.notes.exists()


@pytest.mark.slow
def test_what_is_kept_is_what_trained_though_the_file_is_gone_by_the_end(config, moft, tmp_path):
    file, run = tmp_path / "mine.py", tmp_path / "run"
    file.write_text(VANISHING)
    settings = (f"plugins=[{file}]", "method.loss=vanishing", "method.balance=none", "task.base={name: scores, column: 1}")
    words = ["train", config, "--out", run, *(word for one in settings for word in ("--set", one))]
    assert moft(*words).code == 0
    assert not file.exists()
    assert (run / "plugins" / "mine.py").read_text() == VANISHING
    assert json.loads((run / "versions.json").read_text())["plugin_files"] == {"mine.py": sha256(VANISHING.encode()).hexdigest()}
    file.write_text(VANISHING + "# edited\n")
    said = moft(*words, "--resume")
    assert said.code == 2
    assert said.mistakes[0].startswith(f"moft: error: {run}: the plugin file {file} has changed since the run began (mine.py: ")
