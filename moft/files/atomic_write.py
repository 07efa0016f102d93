"""Atomic writes of files and folders: under a temporary name first, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from moft.errors import RunError
from moft.files.cache_folder import cache_advice


def atomic_write(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: to a temporary name, to the disk, then renamed.

    Through a symbolic link, its target is written. A device or a pipe is written to directly.

    Raises:
        RunError: the file system refuses, for instance because the disk is full; what was at `path` before is still there.
    """
    try:
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))  # links in a circle
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
    except OSError as error:
        raise refused(path, error) from error
    temporary = _beside(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise refused(path, error) from error
    finally:
        with suppress(OSError):  # no longer there when all went well
            temporary.unlink()


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`: renamed to it when the block succeeds, and removed otherwise.

    Raises:
        RunError: the file system refuses, or `target` exists by then.
    """
    temporary = _beside(target)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise refused(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def refused(path: Path, error: OSError) -> RunError:
    """The error to raise when the file system refuses to write at `path`."""
    return RunError(
        f"{path}: cannot be written ({error.strerror or error}); what was there before is unchanged.{cache_advice(path)}"
    )


def _beside(path: Path) -> Path:
    """A hidden name next to `path` that nothing else has.

    Raises:
        RunError: `path` does not end in a name.
    """
    if not path.name:
        raise RunError(f"{str(path)!r}: is not the name of a file.")
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
