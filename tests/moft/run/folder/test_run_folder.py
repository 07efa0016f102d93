"""Run folders: made whole, held by one process, opened again, cleaned and discarded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from moft.errors import RunError
from moft.run.folder.run_folder import RunFolder

CONFIG = {"task": {"name": "ltr"}, "seed": 3}


def test_a_new_folder_holds_its_config_and_nothing_else(tmp_path):
    folder = RunFolder.create(tmp_path / "a" / "run", CONFIG)
    assert folder.resolved_config() == CONFIG
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", "config.yaml"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["versions.json", "policy/policy.safetensors", "report.html"])
def test_a_run_with_a_pipe_in_the_place_of_a_file_is_not_opened(name, tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    folder.policy.mkdir()
    os.mkfifo(folder.path / name)
    with pytest.raises(RunError, match=f"run/{name}: is not a regular file; remove it"):
        RunFolder.open(folder.path)


def test_a_folder_that_cannot_be_made_leaves_nothing(tmp_path, full_disk):
    full_disk("fsync")
    with pytest.raises(RunError, match="No space left"):
        RunFolder.create(tmp_path / "run", CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_named(tmp_path):
    RunFolder.create(tmp_path / "run", CONFIG)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "notes").mkdir(parents=True)
    for name, told in (
        ("run", r"a run already exists here; .* or continue it with --resume"),
        ("file", r"a file already exists here; choose another --out or remove it"),
        ("folder", r"a folder that is not a run already exists here"),
    ):
        with pytest.raises(RunError, match=told):
            RunFolder.create(tmp_path / name, CONFIG)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text("")])
def test_what_is_no_run_is_not_opened(make, tmp_path):
    make(tmp_path / "run")
    with pytest.raises(RunError, match=r"is not a run folder \(it has no config.yaml\); `moft train` makes one"):
        RunFolder.open(tmp_path / "run")


@pytest.mark.parametrize("text", ["", "- a list", "{a: ", "\udcff"])
def test_a_damaged_config_is_told_in_one_line(text, tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    folder.config.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"config.yaml: is damaged") as error:
        RunFolder.open(folder.path).resolved_config()
    assert "\n" not in str(error.value)


HOLD = """
import sys
from pathlib import Path
from moft.run.folder.run_folder import RunFolder
folder = RunFolder.open(Path(sys.argv[1]))
folder.hold()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_folder_is_held_by_one_process_until_it_ends(tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    folder.release()
    other = subprocess.Popen([sys.executable, "-c", HOLD, folder.path], stdin=-1, stdout=-1, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(RunError, match="run: another process is writing this run; wait for it to end"):
        RunFolder.open(folder.path).hold()
    other.kill()
    other.communicate()
    RunFolder.open(folder.path).hold()


def test_what_a_killed_process_left_half_written_is_cleaned(tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    for half in (
        ".front.json.1-ab12cd34",
        "policy/.policy.safetensors.moft-0123ab-1-ab12cd34",
        "checkpoints/base/.step-000000003.1-ab12cd34/x",
        "checkpoints/base/.finished.1-ab12cd34/x",
        "policy/.task.safetensors.1-ab12cd34",
        "front.json",
    ):
        (folder.path / half).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / half).write_text("")
    folder.clean()
    files = [str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()]
    assert sorted(files) == [".lock", "config.yaml", "front.json"]


def test_what_is_not_moft_s_is_never_removed(tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    mine = (".git/config", ".gitignore", ".dvc", "checkpoints/job/notes", "checkpoints/job/.keep", "policy/.x.1-ab", "plugins/.a")
    mine += (".exp.20240-abcdef12/x", ".notes.1234567-deadbeef", "policy/.mine.safetensors.1-ab12cd34", "policy/mine.safetensors")
    mine += (
        "measured/mine.safetensors",
        "plugins/mine.py",
        "plugins/mine.py.failed",
        "checkpoints/job/finished/mine.safetensors",
    )
    for name in mine:
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "front.json").write_text("mine")
    (folder.path / ".front.json.moft-0123ab-1-ab12cd34").symlink_to(tmp_path / "elsewhere")
    (folder.path / "wandb").symlink_to(tmp_path / "elsewhere")
    folder.clean()
    assert (folder.path / ".front.json.moft-0123ab-1-ab12cd34").is_symlink()
    folder.discard()
    assert all((folder.path / name).read_text() == "mine" for name in mine)
    assert (tmp_path / "elsewhere" / "front.json").read_text() == "mine"
    assert not folder.config.exists()


def test_a_discarded_folder_is_gone_with_what_trackers_wrote(tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    (folder.path / "wandb" / "run-1" / "files").mkdir(parents=True)
    (folder.path / "wandb" / "latest-run").symlink_to("run-1")
    (folder.path / "trackers").mkdir()
    (folder.path / "trackers" / "wandb").write_text("id")
    folder.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_discarded_only_while_nothing_was_learned(tmp_path):
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    (folder.checkpoints / "base" / "finished").mkdir(parents=True)
    folder.discard_if_empty()
    assert folder.path.exists()
    (folder.checkpoints / "base" / "finished").rmdir()
    folder.discard_if_empty()
    assert not folder.path.exists()
