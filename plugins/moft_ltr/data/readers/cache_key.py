"""The folder in the cache that holds the converted form of a data file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from moft import DataError
from moft_ltr.data.readers.group_file import group_file


def cache_entry(paths: Path | Sequence[Path], cache: Path, reading: str = "") -> Path:
    """The cache folder of a converted file, or of files that are one table.

    It is a new one whenever the location, size or modification time of one changes, or of the query sizes beside it.

    Args:
        paths: the file, or the files.
        cache: moft's cache folder.
        reading: how they are read; the same text for the same way.

    Raises:
        DataError: a file does not exist.
    """
    states = []
    for path in [paths] if isinstance(paths, Path) else paths:
        for file in filter(None, (path, group_file(path))):
            try:
                state = file.stat()
            except OSError as error:
                raise DataError(f"{file}: no such file or folder ({error.strerror}).") from error
            states.append(f"{file.resolve()}\0{state.st_size}\0{state.st_mtime_ns}")
    key = "\0".join([*states, *filter(None, [reading])])
    return cache / "svmlight" / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
