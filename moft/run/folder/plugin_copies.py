"""The plugin files of a run: copies of what it was begun with, which it goes on with, and which open its policy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from moft.errors import RunError
from moft.files.atomic_write import atomic_write
from moft.files.json import write_json
from moft.run.folder.run_folder import RunFolder

_FAILED = ".failed"
"""Ends the name of an empty file beside the copy of a plugin of a run that ended in an error: the plugin may be repaired."""


def plugin_hashes(folder: RunFolder) -> dict[str, str]:
    """By the name of its file, the sha256 of each plugin that the run keeps."""
    return {copy.name: _hash(copy) for copy in sorted(folder.plugins.glob("*.py"))}


def check_same_plugins(folder: RunFolder, files: Sequence[str]) -> None:
    """Refuses to go on with a run by a plugin file that has changed since it began, unless an error ended it."""
    for file, copy in _changed(folder, files):
        if not _mark(copy).exists():
            difference = f"{copy.name}: {_hash(copy)[:12]} there, {_hash(Path(file).expanduser())[:12]} here"
            raise RunError(
                f"{folder.path}: the plugin file {file} has changed since it began ({difference}); put back what {copy} has, "
                "or train anew with another --out."
            )


def update_copies(folder: RunFolder, files: Sequence[str]) -> None:
    """Keeps what a run goes on with: plugins that were repaired, which a note tells of, and those that are not kept yet."""
    for file, copy in _changed(folder, files):
        before = _hash(copy)
        atomic_write(copy, Path(file).expanduser().read_bytes())
        told = f"The plugin file {copy.name} was repaired on the way: sha256 {before[:12]} before, {_hash(copy)[:12]} since."
        write_json(folder.notes, [*folder.read_notes(), told])
    for mark in folder.plugins.glob(f"*{_FAILED}"):
        mark.unlink()
    folder.copy_plugins([file for file in files if not (folder.plugins / Path(file).name).exists()])


def allow_repair(folder: RunFolder) -> None:
    """Lets the plugin files of a run that ended in an error change before it goes on; the folder may be gone."""
    for copy in folder.plugins.glob("*.py"):
        atomic_write(_mark(copy), b"")


def _changed(folder: RunFolder, files: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The files that are other ones than their copies, with these."""
    copies = ((file, folder.plugins / Path(file).name) for file in files)
    return ((file, copy) for file, copy in copies if copy.exists() and _hash(copy) != _hash(Path(file).expanduser()))


def _mark(copy: Path) -> Path:
    return copy.with_name(copy.name + _FAILED)


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
