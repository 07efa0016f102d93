"""Atomic writes of files and folders: under a temporary name first, then renamed; no symbolic link is followed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from moft.errors import DataError, RunError
from moft.files.cache_folder import cache_advice
from moft.files.leftovers import remove_leftovers, temporary_beside


def atomic_write(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: to a temporary name, to the disk, then renamed.

    A symbolic link is replaced by the file, and what it leads to stays. A device or a pipe is written to directly, and so is
    what the system calls the streams of a process, such as `/dev/stdout`.

    Raises:
        RunError: the file system refuses, for instance because the disk is full; what was at `path` before is still there.
    """
    temporary = temporary_beside(path)
    try:
        if _is_stream(path):
            path.write_bytes(content)
            return
        if path.is_dir():  # a link to a folder would be replaced
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise refused(path, error) from error
    remove_leftovers(path)
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
def temporary_folder(path: Path) -> Iterator[Path]:
    """A new hidden folder beside `path`, to work in; it is removed in the end, unless it was renamed.

    Raises:
        RunError: `path` does not end in a name.
        OSError: the file system refuses.
    """
    temporary = temporary_beside(path)
    remove_leftovers(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`: renamed to it when the block succeeds, and removed otherwise.

    An empty folder that is there is filled; it keeps its permissions, and may be a mounted one.

    Raises:
        RunError: the file system refuses, or `target` is not free by then.
    """
    try:
        with temporary_folder(target) as temporary:
            yield temporary
            if not is_free(target):  # a link would be replaced
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            if target.is_dir():
                _fill(target, temporary)
            else:
                os.replace(temporary, target)
    except OSError as error:
        raise refused(target, error) from error


def _fill(folder: Path, temporary: Path) -> None:
    """Moves all that is in a temporary folder into an empty one, or nothing."""
    entries = list(temporary.iterdir())
    try:
        for entry in entries:
            shutil.move(entry, folder / entry.name)
    except BaseException:
        for entry in entries:
            shutil.rmtree(folder / entry.name, ignore_errors=True)
            with suppress(OSError):
                (folder / entry.name).unlink()
        raise


def is_free(folder: Path) -> bool:
    """Whether a folder can be made at a path: there is nothing, or an empty folder, which is filled."""
    try:
        is_empty = not folder.is_symlink() and folder.is_dir() and not any(folder.iterdir())
    except OSError:  # it cannot be read
        return False
    return is_empty or not os.path.lexists(folder)


def not_followed(path: str, flags: int) -> int:
    """The `opener` for `open` of a file of moft's own, which appends or locks; a symbolic link there is refused.

    Raises:
        OSError: there is a symbolic link, or the file system refuses.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)  # a pipe there is not waited for
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link, which moft does not follow; remove it", path) from error
        raise


def refused(path: Path, error: OSError) -> RunError:
    """The error to raise when the file system refuses to write at `path`."""
    return RunError(
        f"{path}: cannot be written ({error.strerror or error}); what was there before is unchanged.{cache_advice(path)}"
    )


def check_is_new(path: Path) -> None:
    """Checks that nothing is overwritten at `path`; a device or a pipe is written to.

    Raises:
        DataError: there is a file or a folder.
    """
    if os.path.lexists(path) and not _is_stream(path):
        raise DataError(f"{path}: already exists. Choose another path or remove it.")


def _is_stream(path: Path) -> bool:
    """Whether a path is a device, a pipe or a stream of a process; a link to one that anybody could make is not."""
    if path.is_symlink():
        system = os.path.realpath(path.parent)
        return system == "/dev" or system.startswith("/proc/")
    return path.exists() and not path.is_file() and not path.is_dir()
