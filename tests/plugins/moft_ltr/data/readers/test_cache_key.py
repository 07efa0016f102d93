"""Where the cache is, and when a converted file is taken from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moft import DataError
from moft_ltr.data.readers.cache_key import cache_entry


def test_an_entry_stays_while_the_file_does_and_changes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "a.txt", tmp_path / "cache"
    path.write_text("one")
    first = cache_entry(path, cache)
    monkeypatch.chdir(tmp_path)
    assert cache_entry(Path("a.txt"), cache) == first
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    later = cache_entry(path, cache)
    state = path.stat()
    path.write_text("longer")
    os.utime(path, ns=(0, state.st_mtime_ns))
    longer = cache_entry(path, cache)
    (tmp_path / "b.txt").write_text("longer")
    os.utime(tmp_path / "b.txt", ns=(0, state.st_mtime_ns))
    elsewhere = cache_entry(tmp_path / "b.txt", cache)
    assert len({first, later, longer, elsewhere}) == 4


def test_a_missing_file_has_no_entry(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.txt: no such file or folder"):
        cache_entry(tmp_path / "gone.txt", tmp_path)
