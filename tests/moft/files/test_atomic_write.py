"""Files and folders that are whole or not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from moft.errors import RunError
from moft.files.atomic_write import atomic_folder, atomic_write, is_free


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(at, tmp_path, full_disk):
    path = tmp_path / "a.txt"
    atomic_write(path, b"old")
    full_disk(at)
    with pytest.raises(RunError, match=r"a.txt: cannot be written \(No space left on device\)"):
        atomic_write(path, b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a.txt": b"old"}


@pytest.mark.parametrize("target", ["target", "nowhere", "link", "pipe"])
def test_a_link_is_replaced_and_what_it_leads_to_stays(target, tmp_path):
    atomic_write(tmp_path / "target", b"old")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / target)
    atomic_write(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_bytes() == b"new"
    assert (tmp_path / "target").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "target"]


def test_neither_a_folder_nor_a_link_to_one_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("folder", "link"):
        with pytest.raises(RunError, match=rf"{name}: cannot be written \(Is a directory\)"):
            atomic_write(tmp_path / name, b"new")
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="another system")
def test_a_stream_of_the_process_is_written_to(name, tmp_path):
    code = f"from pathlib import Path; from moft.files.atomic_write import atomic_write; atomic_write(Path({name!r}), b'new')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"new", b"")
    with (tmp_path / "file").open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_pipe_is_written_to_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        atomic_write(tmp_path / "pipe", b"new")
        assert os.read(reader, 9) == b"new"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_no_name_is_told():
    with pytest.raises(RunError, match=r"'\.': is not the name of a file\."):
        atomic_write(Path(), b"new")


def test_a_folder_appears_whole(tmp_path):
    with atomic_folder(tmp_path / "a" / "b") as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "a" / "b").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert (tmp_path / "a" / "b" / "file").read_text() == "x"


def test_a_folder_whose_making_fails_is_not_there(tmp_path):
    def make():
        with atomic_folder(tmp_path / "a") as folder:
            (folder / "file").write_text("x")
            raise KeyError

    with pytest.raises(KeyError):
        make()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_never_takes_the_place_of_another_one(tmp_path):
    def make():
        with atomic_folder(tmp_path / "a") as folder:
            (folder / "mine").write_text("x")
            (tmp_path / "a").mkdir()
            (tmp_path / "a" / "theirs").write_text("y")

    with pytest.raises(RunError, match="a: cannot be written"):
        make()
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "theirs"]


def test_an_empty_folder_is_filled_and_keeps_its_permissions(tmp_path):
    target = tmp_path / "a"
    target.mkdir(mode=0o750)
    before = target.stat()
    with atomic_folder(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["a", "a/sub", "a/sub/file"]
    assert (target.stat().st_ino, target.stat().st_mode) == (before.st_ino, before.st_mode)


def test_an_empty_folder_is_filled_whole_or_not_at_all(tmp_path, monkeypatch):
    def make():
        with atomic_folder(tmp_path / "a") as folder:
            (folder / "one").mkdir()
            (folder / "two").write_text("x")
            monkeypatch.setattr("shutil.move", one_only)

    def one_only(source, target):
        if (tmp_path / "a" / "one").exists() or (tmp_path / "a" / "two").exists():
            raise OSError(28, "No space left on device")
        plain(source, target)

    plain = shutil.move
    (tmp_path / "a").mkdir()
    with pytest.raises(RunError, match=r"a: cannot be written \(No space left"):
        make()
    assert [path.name for path in tmp_path.rglob("*")] == ["a"]


def test_what_is_free(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "empty")
    found = {name: is_free(tmp_path / name) for name in ("file", "link", "empty", "linked", "new", ".")}
    assert found == {"file": False, "link": False, "empty": True, "linked": False, "new": True, ".": False}
