"""Reads a config file, registers its plugin files, and resolves its settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from moft.config.build_component import Resolved, resolve
from moft.config.config_file import read_config, with_quoting_advice
from moft.errors import ConfigError
from moft.files.user_path import user_path
from moft.hooks.plugin_manager import Plugins
from moft.interfaces import Tracker
from moft.run.run_settings import RunSettings, plugin_files
from moft.types import Run


def read_settings(config: Path, overrides: Sequence[str], plugins: Plugins) -> Resolved:
    """The resolved settings of a config file; plugin files that it names are registered first.

    Raises:
        ConfigError: the file or its settings have mistakes; one line each.
    """
    content = read_config(config, overrides)
    register_plugin_files(content.get("plugins", ()), plugins)
    try:
        return resolve(RunSettings, content, plugins)
    except ConfigError as error:
        raise ConfigError(with_quoting_advice(str(error), overrides)) from error


def trackers_of(resolved: Resolved, path: Path, plugins: Plugins) -> dict[str, Tracker]:
    """The trackers of a run that writes to `path`, by their names in messages; nothing is opened or sent yet.

    Raises:
        ConfigError: one cannot be used, for example because its library is missing.
    """
    run, made = Run(path.name, path, resolved.plain), {}
    for index, name in enumerate(entry["name"] for entry in resolved.plain["trackers"]):
        owner = f"tracker {name!r} of plugin {plugins.offer('trackers', name).origin}, trackers.{index},"
        made[owner] = resolved["trackers"][str(index)].make()(run)
    return made


def register_plugin_files(files: Any, plugins: Plugins, *, is_preferred: bool = False) -> None:
    """Registers the plugin files of a config; with `is_preferred`, they replace installed plugins of the same names."""
    for file in plugin_files(files):
        plugins.register_file(user_path(file), is_preferred=is_preferred)
