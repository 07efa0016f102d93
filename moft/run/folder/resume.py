"""Checks that a run can be resumed: config and data must be the same in all that training depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from moft.errors import RunError
from moft.run.folder.layout_version import read_versions
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.versions import HASH
from moft.secret_values import redacted

_IRRELEVANT = {
    "trainer": ("device", "checkpoint_steps", "threads", "models_at_once", "sharding"),
    "profile": ("indicators", "edges", "split", "bootstrap_samples"),
}
_BATCH = "batch"  # how much is measured at a time: changes memory, not results


def fingerprint(config: Mapping[str, Any]) -> str:
    """A hash of the settings that training depends on."""
    return hashlib.sha256(json.dumps(trained_part(config), sort_keys=True).encode()).hexdigest()


def check_same_config(folder: RunFolder, config: Mapping[str, Any]) -> dict[str, Any]:
    """Checks that a run can be resumed with `config`.

    Returns: the resolved config in the run folder.

    Raises:
        RunError: the two differ in a setting that training depends on.
    """
    kept = folder.resolved_config()
    if fingerprint(kept) != fingerprint(config):
        difference = _first_difference(trained_part(kept), trained_part(config))
        raise RunError(f"{folder.path}: was made with another config ({difference}); resume it with {folder.config}.")
    return kept


def trained_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that training depends on.

    Left out are: where training runs, trackers, how the final front is measured, and how much is measured at a time. The
    other `profile` settings select the best weights.
    """
    found = {
        key: {name: item for name, item in value.items() if name not in _IRRELEVANT[key]}
        if key in _IRRELEVANT and isinstance(value, Mapping)
        else value
        for key, value in config.items()
        if key != "trackers"
    }
    return {**found, "profile": _without_batches(found["profile"])} if "profile" in found else found


def _without_batches(settings: Any) -> Any:
    """`profile` settings without `batch`, at any depth."""
    if isinstance(settings, Mapping):
        return {key: _without_batches(value) for key, value in settings.items() if key != _BATCH}
    return settings


def check_same_data(folder: RunFolder, identity: Mapping[str, Any]) -> None:
    """Refuses to resume a run whose data have changed since it began."""
    if not folder.versions.exists():
        return
    kept, given = redacted(read_versions(folder.versions).get("data")), redacted(json.loads(json.dumps(identity)))
    if kept != given:
        difference = _first_difference(kept, given)
        what = "base model has" if difference.startswith("base:") else "data have"
        raise RunError(f"{folder.path}: its {what} changed since the run began ({difference}); train anew with another --out.")


def _first_difference(kept: Any, given: Any, path: str = "") -> str:
    if isinstance(kept, Mapping) and isinstance(given, Mapping):
        for key in [*kept, *(key for key in given if key not in kept)]:
            if kept.get(key) != given.get(key):
                return _first_difference(kept.get(key), given.get(key), f"{path}.{key}" if path else str(key))
    there, here = (HASH.sub(lambda found: found.group()[:12], repr(value)) for value in (kept, given))
    return f"{path}: {there} there, {here} here"
