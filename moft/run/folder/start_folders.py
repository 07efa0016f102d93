"""Where the relative paths of a run lead: the folder that it began in, those above it as it lies, and the working folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from moft.config.build_component import Resolved, resolve
from moft.errors import MoftError
from moft.files.cache_folder import cache_folder
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Context, Task
from moft.run.folder.layout_version import read_versions
from moft.run.folder.resume import changed_data
from moft.run.folder.run_folder import RunFolder
from moft.run.run_settings import RunSettings

ABOVE = 3
"""Folders above a run that are looked in: `runs/NAME` and the runs of a sweep lie two or three below where they began."""


def placements(
    folder: RunFolder, config: Mapping[str, Any], plugins: Plugins, *, late: Sequence[str] = ()
) -> list[tuple[Path, Resolved]]:
    """The settings of a run with its relative paths as they exist from each folder that it may have begun in.

    Args:
        folder: of the run. It may have been copied or moved, alone or with its data.
        config: resolved.
        plugins: offer the components.
        late: as of `resolve`.

    Returns: for each way to read the paths, the folder that they start from, or `Path()` for the working folder, and the
        settings. The recorded folder comes first. A path that does not exist there is looked for in the others.

    Raises:
        RunError: `versions.json` is damaged.
        ConfigError: the config has mistakes.
    """
    recorded = recorded_home(folder)
    if recorded is None:  # a policy opens without it
        return [(Path(), resolve(RunSettings, config, plugins, late=late))]
    homes = folders_to_look_in(folder, recorded)
    orders = [(home, *(other for other in homes if other != home)) for home in homes]
    found: dict[str, tuple[Path, Resolved]] = {}
    for order in (*orders, (recorded,)):  # the last one for names on a hub that are also those of folders there
        resolved = resolve(RunSettings, config, plugins, homes=order, late=late)
        found.setdefault(json.dumps(resolved.plain, sort_keys=True), (order[0], resolved))
    return list(found.values())


def recorded_home(folder: RunFolder) -> Path | None:
    """The folder that a run began in, or None if it recorded none.

    Raises:
        RunError: `versions.json` is damaged.
    """
    found = read_versions(folder.versions).get("folder") if folder.versions.exists() else None
    return None if found is None else Path(found)


def folders_to_look_in(folder: RunFolder, recorded: Path | None) -> list[Path]:
    """The folders that a relative path of a run may start from: the recorded one, those above the run, the working folder."""
    places = [*([] if recorded is None else [recorded]), *folder.path.resolve().parents[:ABOVE], Path()]
    found: dict[Path, Path] = {}
    for place in places:
        if place.is_dir():
            found.setdefault(place.resolve(), place)
    return list(found.values())


def placed_again(folder: RunFolder, resolved: Resolved, plugins: Plugins) -> tuple[Path, Resolved]:
    """The settings of a run that is resumed, and the folder that its relative paths start from.

    That is the working folder, unless the data and the base model are not there, or others.
    """
    ways = placements(folder, resolved.plain, plugins)
    ways.sort(key=lambda way: way[0] != Path())
    home, chosen = by_data(folder, ways)[0]
    return home.absolute(), replace(chosen, plain=resolved.plain)


def by_data(folder: RunFolder, ways: list[tuple[Path, Resolved]]) -> list[tuple[Path, Resolved]]:
    """Such settings sorted by how well their data and base model are those that the run recorded."""
    return ways if len(ways) == 1 else sorted(ways, key=lambda way: _misfit(folder, way[1]))


def _misfit(folder: RunFolder, resolved: Resolved) -> tuple[bool, float]:
    """Whether the base model is another one or cannot be read, and how much differs."""
    try:
        settings: RunSettings = resolved.make()
        task: Task = settings.task(Context(torch.device("cpu"), settings.seed, cache_folder()))
        paths = changed_data(folder, task.identity())
    except (MoftError, OSError):
        return True, float("inf")
    return "base" in paths, len(paths)
