"""The names of moft's temporary files and folders, and the removal of those that a killed process left behind."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from moft.errors import RunError

DAY = 86_400.0
"""Seconds after which what another machine left counts as left behind: its processes cannot be asked."""
_LONGEST = 200  # bytes of a name that is taken over; file systems allow 255 with what is added
_NAME = re.compile(r"\.(?P<name>.+)\.moft-(?P<host>[0-9a-f]{6})-(?P<process>\d{1,10})-[0-9a-f]{8}", re.S)
_NAME_OF_0_2 = re.compile(r"\.(?P<name>.+)\.(?P<host>)(?P<process>\d{1,7})-(?=\d*[a-f])[0-9a-f]{8}", re.S)


def temporary_beside(path: Path) -> Path:
    """A hidden name next to `path` that nothing else has: `.NAME.moft-HOST-PROCESS-RANDOM`.

    Raises:
        RunError: `path` does not end in a name.
    """
    if not path.name:
        raise RunError(f"{str(path)!r}: is not the name of a file.")
    return path.with_name(f".{_taken_over(path.name)}.moft-{_host()}-{os.getpid()}-{secrets.token_hex(4)}")


def remove_leftovers(path: Path) -> None:
    """Removes the temporary files and folders of `path` whose process is no longer alive."""
    name = _taken_over(path.name)
    for entry, found in _temporary(path.parent, path.parent, ("*",)):
        if found["name"] == name and not _may_be_in_use(entry, found):
            _remove(entry)


def remove_leftovers_in(folder: Path, patterns: Iterable[str] = (), *, root: Path | None = None) -> None:
    """Removes every temporary file and folder in `folder`, in which no other process may write.

    Args:
        folder: the folder.
        patterns: of the names that moft writes, relative to `root`. The temporary names of version 0.2.0 say nothing of moft,
            so only those of such a name are taken for its own.
        root: that has the folder in it; None is the folder itself.
    """
    for entry, _ in _temporary(folder, folder if root is None else root, tuple(patterns)):
        _remove(entry)


def remove_own(folder: Path, patterns: Iterable[str]) -> None:
    """Removes the files that the patterns name, then the folders that are empty, `folder` among them; no link is followed.

    Args:
        folder: that holds them; it may be gone.
        patterns: of files, relative to the folder.
    """
    patterns = tuple(patterns)
    real, parents = folder.resolve(), {folder}
    for pattern in patterns:
        for entry in folder.glob(pattern):
            if not entry.parent.resolve().is_relative_to(real):
                continue
            parents |= {parent for parent in entry.parents if parent.is_relative_to(folder)}
            if entry.is_dir() and not entry.is_symlink():
                parents.add(entry)
            else:
                with suppress(OSError):
                    entry.unlink()
    for parent in sorted(parents, key=lambda parent: len(parent.parts), reverse=True):
        remove_leftovers_in(parent, patterns, root=folder)
        with suppress(OSError):  # not empty
            parent.rmdir()


def _temporary(folder: Path, root: Path, patterns: tuple[str, ...]) -> Iterator[tuple[Path, re.Match[str]]]:
    """The entries of a folder with a temporary name; of a link to a folder, or where nothing can be read, none."""
    place = folder.relative_to(root)
    with suppress(OSError):
        for entry in [] if folder.is_symlink() else sorted(folder.iterdir()):
            found = _NAME.fullmatch(entry.name)
            if found is None and (old := _NAME_OF_0_2.fullmatch(entry.name)) and _matches(place / old["name"], patterns):
                found = old
            if found is not None:
                yield entry, found


def _matches(path: PurePath, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns, each of as many parts as the path, names it."""
    wanted = (PurePath(pattern).parts for pattern in patterns)
    return any(len(parts) == len(path.parts) and all(map(fnmatchcase, path.parts, parts)) for parts in wanted)


def _may_be_in_use(entry: Path, found: re.Match[str]) -> bool:
    """Whether the process that the name gives may still write there."""
    import psutil

    try:
        changed = entry.lstat().st_mtime
        if found["host"] not in ("", _host()):
            return time.time() - changed < DAY
        owner = psutil.Process(int(found["process"]))
        if owner.create_time() > changed + 2.0:  # clocks are that exact
            return False  # the number was given to a newer process
        return bool(owner.status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, FileNotFoundError, OverflowError):
        return False
    except (psutil.Error, OSError):
        return True


def _remove(entry: Path) -> None:
    """Removes a file or a folder; a link is left, as moft makes none."""
    with suppress(OSError):
        kind = entry.lstat().st_mode
        if stat.S_ISDIR(kind):
            shutil.rmtree(entry, ignore_errors=True)
        elif stat.S_ISREG(kind):
            entry.unlink()


def _taken_over(name: str) -> str:
    """The part of a temporary name that says whose it is: the name itself, or a hash of a long one."""
    whole = os.fsencode(name)
    return name if len(whole) <= _LONGEST else hashlib.sha256(whole).hexdigest()


def _host() -> str:
    """Six hex digits of the name of this machine."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]
