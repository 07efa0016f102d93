"""Under which name a converted file stands in the cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from moft import DataError


def cache_entry(path: Path, cache: Path) -> Path:
    """The folder under `cache` for the converted `path`: another one whenever its place, size or time of change differs.

    Raises:
        DataError: `path` is not there.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path}: no such file or folder ({error.strerror}).") from error
    key = f"{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
    return cache / "svmlight" / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
