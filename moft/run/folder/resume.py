"""Checks that a run can be resumed: config and data must be the same in all that training depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from moft.config.build_component import resolve
from moft.errors import MoftError, RunError
from moft.hooks.plugin_manager import Plugins
from moft.run.folder.layout_version import RESTORE, read_versions
from moft.run.folder.run_folder import RunFolder
from moft.run.folder.versions import HASH
from moft.run.run_settings import RunSettings
from moft.secret_values import redacted

_UNTRAINED = ("device", "checkpoint_steps", "threads", "models_at_once", "sharding")
_LONGEST = 80  # characters of a value in a message
_BATCH = "batch"  # how much is measured at a time: changes memory, not results


def fingerprint(config: Mapping[str, Any]) -> str:
    """A hash of the settings that training depends on."""
    return _hash(trained_part(config))


def fingerprint_of_0_2(config: Mapping[str, Any]) -> str:
    """The same as version 0.2.0 computed it, with every `profile` setting that it took for one of training."""
    profile = {name: value for name, value in config["profile"].items() if name not in _UNTRAINED_OF_0_2}
    return _hash({**trained_part(config), "profile": without_batches(profile)})


_UNTRAINED_OF_0_2 = ("indicators", "edges", "split", "bootstrap_samples")


def check_same_config(folder: RunFolder, config: Mapping[str, Any], plugins: Plugins) -> dict[str, Any]:
    """Checks that a run can be resumed with `config`.

    Args:
        folder: of the run.
        config: resolved.
        plugins: know the defaults of settings that are newer than the run.

    Returns: the resolved config in the run folder.

    Raises:
        RunError: the two differ in settings that training depends on; the message has all of them.
    """
    kept = folder.resolved_config()
    lacking = [part for part in ("task", "method", "profile", "trainer") if part in config and part not in kept]
    if lacking:
        raise RunError(f"{folder.config}: is damaged; it lacks {lacking[0]!r}. {RESTORE}")
    both = differences(trained_part(_with_new_defaults(kept, plugins)), trained_part(config))
    if found := _listed({path: (there, here) for path, there, here in both}):
        raise RunError(f"{folder.path}: was made with another config ({found}); resume it with {folder.config}.")
    return kept


def _with_new_defaults(kept: dict[str, Any], plugins: Plugins) -> Mapping[str, Any]:
    """The config of a run with the defaults of settings that its version of moft did not have; as it is where it is damaged."""
    try:
        filled: Mapping[str, Any] = resolve(RunSettings, kept, plugins).plain
    except MoftError:
        return kept
    return filled


def trained_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that training depends on.

    Left out are: where training runs, trackers, and how the final front is measured. Of `profile`, what is measured on the
    validation split during training selects the best weights; without such evaluations, nothing does.
    """
    found = {key: value for key, value in config.items() if key != "trackers"}
    if isinstance(trainer := config.get("trainer"), Mapping):
        found["trainer"] = {name: value for name, value in trainer.items() if name not in _UNTRAINED}
    if isinstance(profile := config.get("profile"), Mapping):
        is_evaluated = not isinstance(trainer, Mapping) or trainer.get("evaluations") != 0
        found["profile"] = without_batches(_validation(profile)) if is_evaluated else {}
    return found


def _validation(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The `profile` settings that are in effect during training, under the names of those that they stand for."""
    has_own = profile.get("validation_evaluator") is not None
    found = {name: profile[name] for name in ("grid", "validation_points") if name in profile}
    evaluator, reference = ("validation_evaluator", "validation_reference") if has_own else ("evaluator", "reference")
    if profile.get("validation_reference") is not None:
        reference = "validation_reference"
    return found | {name: profile[name] for name in (evaluator, reference) if name in profile}


def without_batches(settings: Any) -> Any:
    """Settings without `batch`, at any depth."""
    if isinstance(settings, Mapping):
        return {key: without_batches(value) for key, value in settings.items() if key != _BATCH}
    return settings


def check_same_data(folder: RunFolder, identity: Mapping[str, Any]) -> None:
    """Refuses to resume a run whose data have changed since it began."""
    if found := data_change(folder, identity):
        raise RunError(f"{folder.path}: {found}; train anew with another --out.")


def data_change(folder: RunFolder, identity: Mapping[str, Any]) -> str:
    """What has changed of data and base model since a run began, in words; empty if nothing has, or nothing is recorded yet."""
    found = changed_data(folder, identity)
    what = "base model has" if next(iter(found), "") == "base" else "data have"
    return f"its {what} changed since the run began ({_listed(found)})" if found else ""


def changed_data(folder: RunFolder, identity: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Both values of everything of data and base model that has changed since a run began, by path."""
    if not folder.versions.exists():
        return {}
    kept, given = redacted(read_versions(folder.versions).get("data")), redacted(json.loads(json.dumps(identity)))
    return {path: (there, here) for path, there, here in differences(kept, given)}


def differences(there: Any, here: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path and both values of every difference of two JSON values; None stands for a missing value."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in [*there, *(key for key in here if key not in there)]:
            yield from differences(there.get(key), here.get(key), f"{path}.{key}" if path else str(key))
    elif there != here:
        yield path, there, here


def _listed(found: Mapping[str, tuple[Any, Any]]) -> str:
    """Differences in words, on one line; hashes by their first characters."""
    return "; ".join(f"{path}: {_shown(there)} there, {_shown(here)} here" for path, (there, here) in found.items())


def _shown(value: Any) -> str:
    text = HASH.sub(lambda found: found.group()[:12], repr(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _hash(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
