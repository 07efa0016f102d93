"""Opens files of a run for reading; a pipe or a device in their place, which may never end, is refused."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading.

    Raises:
        OSError: there is none, it is something else than a regular file, or it cannot be read.
    """
    return open(path, "rb", opener=_opened)


def read_regular(path: Path) -> bytes:
    """The content of a file; errors are those of `open_regular`."""
    with open_regular(path) as file:
        return file.read()


def is_special(path: Path) -> bool:
    """Whether something other than a file or a folder is at `path`, or where it leads to."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _opened(path: str, flags: int) -> int:
    found = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)  # a pipe is not waited for
    kind = os.fstat(found).st_mode
    if stat.S_ISREG(kind):
        return found
    os.close(found)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "it is not a regular file", path)
