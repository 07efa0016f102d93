"""Temporary names: what a killed process left goes, what a living one writes and what is not moft's stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from moft.files.atomic_write import atomic_folder, atomic_write, temporary_folder
from moft.files.leftovers import remove_leftovers, remove_leftovers_in, temporary_beside


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def left(tmp_path, dead):
    """Makes what a process leaves of a file or folder, and gives its path."""

    def make(name="run", *, process=dead, is_folder=True):
        path = temporary_beside(tmp_path / name)
        path = path.with_name(path.name.replace(f"-{os.getpid()}-", f"-{process}-"))
        path.mkdir() if is_folder else path.write_text("")
        return path

    return make


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_a_dead_process_left_goes_when_the_same_is_made_again(is_folder, left, tmp_path):
    gone, other = left(is_folder=is_folder), left("run2", is_folder=is_folder)
    if is_folder:
        with atomic_folder(tmp_path / "run"):
            pass
    else:
        atomic_write(tmp_path / "run", b"")
    assert not gone.exists()
    assert other.exists()


def test_what_a_living_process_writes_stays(left, tmp_path):
    theirs = left(process=os.getppid())
    with temporary_folder(tmp_path / "run") as mine, atomic_folder(tmp_path / "run"):
        assert mine.is_dir()
    assert theirs.is_dir()


def test_a_number_that_a_newer_process_has_is_not_its_own(left, tmp_path):
    old = left(process=os.getpid())
    os.utime(old, (1e9, 1e9))
    remove_leftovers(tmp_path / "run")
    assert not old.exists()


def test_what_another_machine_writes_goes_after_a_day(tmp_path):
    here = temporary_beside(tmp_path / "run").name.split("-")[1]
    theirs = tmp_path / f".run.moft-{'0123ab' if here != '0123ab' else '123abc'}-1-ab12cd34"
    theirs.mkdir()
    remove_leftovers(tmp_path / "run")
    assert theirs.exists()
    os.utime(theirs, (time.time() - 1e5,) * 2)
    remove_leftovers(tmp_path / "run")
    assert not theirs.exists()


OTHERS = (".git", ".run", ".run.swp", ".run.20261128-10153000", ".run.1-ab", ".run.moft-1-ab12cd34", "run.moft-0123ab-1-ab12cd34")


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_a_temporary_name_is_left_alone(name, tmp_path):
    (tmp_path / name).mkdir()
    remove_leftovers(tmp_path / "run")
    remove_leftovers_in(tmp_path)
    assert (tmp_path / name).is_dir()


def test_a_temporary_name_of_an_earlier_version_goes_only_for_a_name_that_moft_writes(tmp_path):
    for name in ("front.json", "exp"):
        (tmp_path / f".{name}.20240-abcdef12").mkdir()
    remove_leftovers_in(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers_in(tmp_path, ("policy/exp", "front.*"))
    assert [path.name for path in tmp_path.iterdir()] == [".exp.20240-abcdef12"]


def test_a_long_name_can_be_written_and_is_recognised(left, tmp_path):
    name = "a" * 250
    gone = left(name, is_folder=False)
    atomic_write(tmp_path / name, b"new")
    assert (tmp_path / name).read_bytes() == b"new"
    assert not gone.exists()


def test_a_folder_never_replaces_one_with_a_file_or_a_link(tmp_path):
    from moft.errors import RunError

    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine.txt").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name in ("target", "link"):
        with pytest.raises(RunError, match="cannot be written"), atomic_folder(tmp_path / name):
            pass
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target" / "mine.txt").read_text() == "kept"
