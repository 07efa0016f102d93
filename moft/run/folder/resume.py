"""What of a config and of data training depends on: a run is gone on with where that is as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from moft.errors import RunError
from moft.files.json import read_json
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.versions import HASH

_LEFT_OUT = {
    "trainer": ("device", "checkpoint_steps", "threads", "models_at_once", "sharding"),
    "profile": ("indicators", "edges", "split", "bootstrap_samples"),
}
_AT_A_TIME = "batch"  # of what is measured: more take more memory, and change nothing


def fingerprint(config: Mapping[str, Any]) -> str:
    """A hash of what training depends on."""
    return hashlib.sha256(json.dumps(trained_part(config), sort_keys=True).encode()).hexdigest()


def check_same_config(folder: RunFolder, config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a run, which `config` may go on with.

    Raises:
        RunError: they differ in what training depends on.
    """
    kept = folder.resolved_config()
    if fingerprint(kept) != fingerprint(config):
        difference = _first_difference(trained_part(kept), trained_part(config))
        raise RunError(
            f"{folder.path}: was made with another config ({difference}); resume it with its own {folder.config.name}."
        )
    return kept


def trained_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting but where training runs, what shows it, how its end is measured, and how much is measured at a time.

    The best weights are chosen by the front's settings.
    """
    found = {
        key: {name: item for name, item in value.items() if name not in _LEFT_OUT[key]}
        if key in _LEFT_OUT and isinstance(value, Mapping)
        else value
        for key, value in config.items()
        if key != "trackers"
    }
    return {**found, "profile": _without_batches(found["profile"])} if "profile" in found else found


def _without_batches(settings: Any) -> Any:
    """Settings of measuring, at any depth, without how many are measured at a time."""
    if isinstance(settings, Mapping):
        return {key: _without_batches(value) for key, value in settings.items() if key != _AT_A_TIME}
    return settings


def check_same_data(folder: RunFolder, identity: Mapping[str, Any]) -> None:
    """Refuses to go on with a run on data that have changed since it began."""
    if not folder.versions.exists():
        return
    kept, given = read_json(folder.versions)["data"], json.loads(json.dumps(identity))
    if kept != given:
        difference = _first_difference(kept, given)
        what = "base model has" if difference.startswith("base:") else "data have"
        raise RunError(f"{folder.path}: its {what} changed since it began ({difference}); train anew with another --out.")


def _first_difference(kept: Any, given: Any, path: str = "") -> str:
    if isinstance(kept, Mapping) and isinstance(given, Mapping):
        for key in [*kept, *(key for key in given if key not in kept)]:
            if kept.get(key) != given.get(key):
                return _first_difference(kept.get(key), given.get(key), f"{path}.{key}" if path else str(key))
    there, here = (HASH.sub(lambda found: found.group()[:12], repr(value)) for value in (kept, given))
    return f"{path}: {there} there, {here} here"
