"""Where the cache is."""

from __future__ import annotations

from pathlib import Path

import pytest

from moft import ConfigError, RunError, cache_folder
from moft.files.atomic_write import atomic_write
from moft.files.cache_folder import cache_advice, writable_cache_folder


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MOFT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "moft"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/moft")
    monkeypatch.setenv("MOFT_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"


def test_a_cache_that_is_to_be_written_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOFT_CACHE", str(tmp_path / "a" / "b"))
    assert writable_cache_folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_a_cache_that_cannot_be_written_names_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOFT_CACHE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"file: cannot be made \(File exists\)\..* set MOFT_CACHE to a folder"):
        writable_cache_folder()


def test_what_cannot_be_written_in_the_cache_names_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOFT_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    assert cache_advice(tmp_path / "other") == ""
    with pytest.raises(RunError, match=r"a: cannot be written .* set MOFT_CACHE to a folder that is writable\."):
        atomic_write(tmp_path / "file" / "a", b"")
