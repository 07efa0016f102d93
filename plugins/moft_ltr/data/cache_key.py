"""The folder in the cache that holds the converted form of a data file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from moft import DataError


def cache_entry(path: Path, cache: Path) -> Path:
    """The cache folder of the converted `path`: a new one whenever its location, size or modification time changes.

    Raises:
        DataError: `path` does not exist.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path}: no such file or folder ({error.strerror}).") from error
    key = f"{path.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
    return cache / "svmlight" / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
