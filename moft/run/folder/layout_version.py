"""Refuses run folders and fronts that another version of moft wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moft.errors import RunError
from moft.files.expected_keys import read_expected
from moft.renames import RENAMES

LAYOUT = 2
"""Of a run folder, written into its `versions.json`; 1, which no folder says, was before 0.2.0."""

RESTORE = "Restore it from a copy, or train anew with another --out."
_VERSIONS = {
    **{"layout?": int, "folder?": str, "data?": dict},
    **{name: {"*": str} for name in ("packages?", "plugins?", "plugin_files?")},
    **{"python?": str, "platform?": str, "device?": str, "seed?": int, "git_commit?": (str, None)},
}
_OLD_SETTINGS = [rename.old.split(".") for rename in RENAMES if rename.kind == "setting" and "*" not in rename.old]
"""Settings of the first layout; every resolved config of it has some of them, because it has all defaults."""


def check_layout(versions: Path, config: Mapping[str, Any]) -> None:
    """Checks that this version of moft reads a run folder.

    Args:
        versions: the `versions.json` of the run. It may be missing: a policy can be copied without it, and a run that was
            stopped early has none. The config decides then.
        config: the resolved config of the run.

    Raises:
        RunError: another version wrote the folder, or `versions.json` is damaged.
    """
    unsaid = 1 if _has_old_settings(config) else LAYOUT
    layout = read_versions(versions).get("layout", 1) if versions.exists() else unsaid
    _check(layout, LAYOUT, "layout", versions.parent)


def read_versions(versions: Path) -> dict[str, Any]:
    """The content of a `versions.json`.

    Raises:
        RunError: it is missing or damaged.
    """
    content: dict[str, Any] = read_expected(versions, _VERSIONS, RESTORE)
    return content


def check_schema(schema: Any, expected: int, file: Path) -> None:
    """Checks that this version of moft reads a file of a run, by the schema number that the file gives.

    Raises:
        RunError: another version wrote the file.
    """
    _check(schema, expected, "schema", file)


def _check(number: Any, expected: int, kind: str, path: Path) -> None:
    if number == 1:
        before = "was made by a version of moft before 0.2.0, which this version cannot read"
        raise RunError(f"{path}: {before}; train the run anew, with another --out.")
    if number != expected:
        raise RunError(f"{path}: has {kind} {number!r}; this version of moft reads {expected}.")


def _has_old_settings(config: Mapping[str, Any]) -> bool:
    return any(isinstance(part := config.get(group), Mapping) and name in part for group, name in _OLD_SETTINGS)
