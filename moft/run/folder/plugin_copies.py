"""The copies of plugin files in a run folder: checked when the run is resumed, and loaded to open its policy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from moft.errors import PluginError, RunError
from moft.files.atomic_write import atomic_write
from moft.files.json import write_json
from moft.files.user_path import user_path
from moft.hooks.trusted_files import plugin_content
from moft.run.folder.layout_version import read_versions
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.start_folders import folders_to_look_in, recorded_home

_FAILED = ".failed"
"""Suffix of an empty file next to each copy in a run that ended in an error: the plugin may be fixed before a resume."""


def plugin_hashes(folder: RunFolder) -> dict[str, str]:
    """The SHA-256 of each plugin file that the run has a copy of, by file name."""
    return {copy.name: _hash(copy) for copy in sorted(folder.plugins.glob("*.py"))}


def recorded_copies(folder: RunFolder, files: Sequence[str]) -> dict[Path, bytes]:
    """The copies of a run's plugin files, with their contents, which are those that the run recorded.

    Raises:
        PluginError: a copy is missing, `versions.json` does not record it, or it has another content than there.
    """
    contents = {copy: plugin_content(copy) for copy in (folder.plugins / Path(file).name for file in files)}
    try:
        recorded = _recorded(folder) if contents else {}
    except (RunError, TypeError, ValueError):
        recorded = {}
    for copy, content in contents.items():
        here, there = hashlib.sha256(content).hexdigest(), recorded.get(copy.name)
        if here != there:
            raise PluginError(
                f"plugin file {str(copy)!r} is not the one that the run was trained with: its SHA-256 is {here[:12]}, and "
                f"{folder.versions} has {there[:12] if isinstance(there, str) else 'none for it'}; restore it."
            )
    return contents


def plugin_place(folder: RunFolder, file: str) -> Path:
    """Where a plugin file of a run that is resumed is: in the working folder, where the run began, above it, or its copy.

    The one that the run recorded is taken. Without it, another one that is there, which a resume may refuse.

    Raises:
        PluginError: there is none.
        RunError: `versions.json` is damaged.
    """
    given, copy = user_path(file), folder.plugins / Path(file).name
    homes = (Path(), *folders_to_look_in(folder, recorded_home(folder)))
    found = [place for place in (home / given for home in homes) if place.is_file()]
    recorded = _recorded(folder).get(copy.name) or (_hash(copy) if copy.is_file() else None)
    same = (place for place in found if _hash(place) == recorded)
    if (place := next(same, None) or next(iter(found), None)) is not None:
        return place
    if copy.is_file() and _hash(copy) == recorded:
        return copy
    raise PluginError(
        f"plugin file {file!r} does not exist here, nor where the run began, and the copy {str(copy)!r} is "
        f"{'not the one that the run recorded' if copy.is_file() else 'missing'}; restore one of them."
    )


def check_same_plugins(folder: RunFolder, files: Sequence[str]) -> None:
    """Refuses to resume a run with a plugin file that has changed since the run began, unless an error ended it."""
    for file, copy in _changed(folder, files):
        if not _mark(copy).exists():
            hashes = f"{_hash(copy)[:12]} there, {_hash(plugin_place(folder, file))[:12]} here"
            raise RunError(
                f"{folder.path}: the plugin file {file} has changed since the run began ({copy.name}: {hashes}); restore it "
                f"from {copy}, or train anew with another --out."
            )


def update_copies(folder: RunFolder, files: Sequence[str]) -> None:
    """Updates the copies when a run is resumed: fixed plugins, which are noted, and plugins without a copy."""
    for file, copy in _changed(folder, files):
        before = _hash(copy)
        atomic_write(copy, plugin_place(folder, file).read_bytes())
        note = f"The plugin file {copy.name} was changed during the run: SHA-256 {before[:12]} before, {_hash(copy)[:12]} after."
        write_json(folder.notes, [*folder.read_notes(), note])
    for file in files:
        _mark(folder.plugins / Path(file).name).unlink(missing_ok=True)
    lacking = [file for file in files if not (folder.plugins / Path(file).name).exists()]
    folder.copy_plugins([str(plugin_place(folder, file)) for file in lacking])


def allow_repair(folder: RunFolder, files: Sequence[str]) -> None:
    """Allows the plugin files of a run that ended in an error to change before a resume; the folder may be gone."""
    for copy in (folder.plugins / Path(file).name for file in files):
        if copy.exists():
            atomic_write(_mark(copy), b"")


def _changed(folder: RunFolder, files: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The files that differ from their copies, each with its copy."""
    copies = ((file, folder.plugins / Path(file).name) for file in files)
    return ((file, copy) for file, copy in copies if copy.exists() and _hash(copy) != _hash(plugin_place(folder, file)))


def _recorded(folder: RunFolder) -> dict[str, str]:
    """The SHA-256 of each plugin file, by file name, that `versions.json` has; none where there is no such file yet."""
    return dict(read_versions(folder.versions).get("plugin_files", {})) if folder.versions.exists() else {}


def _mark(copy: Path) -> Path:
    return copy.with_name(copy.name + _FAILED)


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
