"""Reads a config file, registers its plugin files, and resolves its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from moft.config.build_component import Resolved, resolve
from moft.config.config_file import read_config, with_quoting_advice
from moft.errors import ConfigError
from moft.files.user_path import user_path
from moft.hooks.plugin_manager import Plugins
from moft.hooks.trusted_files import check_trusted, plugin_content
from moft.interfaces import Tracker
from moft.run.folder.plugin_copies import plugin_place
from moft.run.folder.run_folder import RunFolder
from moft.run.run_settings import RunSettings, plugin_files
from moft.types import Run


def read_settings(
    config: Path,
    overrides: Sequence[str],
    plugins: Plugins,
    *,
    is_run: bool = True,
    trust: bool = False,
    resumed: RunFolder | None = None,
) -> Resolved:
    """The resolved settings of a config file; plugin files that it names are registered first.

    Args:
        config: the file.
        overrides: `path=value` each.
        plugins: to which the plugin files are added.
        is_run: the user has the config run, and so its plugin files; False refuses those whose content is not trusted.
        trust: the user trusts them now.
        resumed: the run that goes on. Plugin files are looked for as its data are, and its copies are taken for those that are
            gone; those that are not where the user named them must be trusted.

    Raises:
        ConfigError: the file or its settings have mistakes; one line each.
        PluginError: a plugin file cannot be imported, or is not trusted.
    """
    content = read_config(config, overrides)
    named = plugin_files(content.get("plugins", ()))
    files = [user_path(file) if resumed is None else plugin_place(resumed, file) for file in named]
    run = [file for file, name in zip(files, named, strict=True) if is_run and file == user_path(name)]
    register_trusted({file: plugin_content(file) for file in files if file not in run}, plugins, trust=trust)
    for file in run:
        plugins.register_file(file)
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


def register_trusted(contents: Mapping[Path, bytes], plugins: Plugins, *, trust: bool, is_preferred: bool = False) -> None:
    """Registers plugin files whose content the user trusts.

    Args:
        contents: of the files.
        plugins: to which they are added.
        trust: the user trusts them now.
        is_preferred: see `Plugins.register_file`.

    Raises:
        PluginError: one is not trusted, or cannot be imported.
    """
    check_trusted(contents, is_trust_given=trust)
    for file, content in contents.items():
        plugins.register_file(file, is_preferred=is_preferred, content=content)
