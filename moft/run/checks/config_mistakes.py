"""Finds all mistakes of a config file at once, without training anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moft.config.build_component import building_mistakes, resolve
from moft.config.config_file import read_with_gaps
from moft.config.yaml12 import lines_of
from moft.errors import ConfigError, MoftError, PluginError
from moft.files.user_path import user_path
from moft.hooks.plugin_manager import Plugins
from moft.hooks.trusted_files import check_trusted, plugin_content
from moft.run.checks.compatibility import check_before_training
from moft.run.run_settings import RunSettings, plugin_files


def mistakes_of(config: Path, plugins: Plugins, *, trust: bool = False) -> tuple[list[str], tuple[str, ...]]:
    """The mistakes of a config file, and what could not be checked.

    Components are built, so what they refuse is included. In a config whose settings are sound, everything is checked that
    `moft train --plan` checks.

    Args:
        config: a YAML file.
        plugins: the installed ones; plugin files of the config are registered in a copy.
        trust: the user trusts its plugin files now; those whose content is not trusted are a mistake, and nothing else is
            checked then.

    Returns: mistakes, one line each: file, line number, setting and what is wrong; and sentences on what was not checked.

    Raises:
        RunError: the plugin files cannot be remembered as trusted.
    """
    try:
        content, unset = read_with_gaps(config)
    except ConfigError as error:
        return str(error).splitlines(), ()
    unchecked: tuple[str, ...] = ()
    mistakes = [f"{where}: {text}" for where, text in unset]
    plugins = plugins.copy()
    contents: dict[str, tuple[Path, bytes]] = {}
    try:
        for index, file in enumerate(plugin_files(content.get("plugins", ()))):
            try:
                contents[f"plugins.{index}"] = user_path(file), plugin_content(user_path(file))
            except PluginError as error:
                mistakes.append(f"plugins.{index}: {error}")
    except ConfigError as error:
        mistakes.append(str(error))
    try:
        check_trusted(dict(contents.values()), is_trust_given=trust)
    except PluginError as error:
        return [f"{config}:{_line('plugins:', lines_of(config.read_text(encoding='utf-8')), {})}: {error}"], ()
    for where, (path, code) in contents.items():
        try:
            plugins.register_file(path, content=code)
        except PluginError as error:
            mistakes.append(f"{where}: {error}")
    gaps = {where for where, _ in unset}
    try:
        resolved = resolve(RunSettings, content, plugins)
    except MoftError as error:
        mistakes += [line for line in str(error).splitlines() if line.partition(": ")[0] not in gaps]
    else:
        mistakes += [] if gaps else building_mistakes(resolved)
        try:
            unchecked = () if mistakes else check_before_training(resolved.make())
        except MoftError as error:
            mistakes += str(error).splitlines()
        except OSError as error:
            mistakes.append(f"{error.filename}: {error.strerror}." if error.filename else f"{error}.")
    lines = lines_of(config.read_text(encoding="utf-8"))
    values = dict(_texts(content))
    places = sorted(((_line(text, lines, values), text) for text in dict.fromkeys(mistakes)), key=lambda place: place[0])
    return [f"{config}:{line}: {text}" for line, text in places], unchecked


def _texts(content: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The texts in a config, each after the path of its setting."""
    inner = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from _texts(value, f"{path}.{key}" if path else str(key))
    if isinstance(content, str) and content:
        yield path, content


def _line(mistake: str, lines: dict[str, int], values: Mapping[str, str]) -> int:
    """The line number of a mistake: that of the innermost setting of its path that is in the file.

    Without such a path, it is that of the file or folder that the message begins with.
    """
    text = mistake.removeprefix("[")
    known = [path for path in lines if text.startswith(path) and text[len(path) : len(path) + 1] in (":", ".", "]", " ")]
    known += [path for path in lines if "." in path and f" {path}: " in text]  # after the file that it is about
    known = known or [path for path, value in values.items() if path in lines and text.removeprefix("'").startswith(value)]
    return lines[max(known, key=len)] if known else 1
