"""Finds all mistakes of a config file at once, without running anything."""

from __future__ import annotations

from pathlib import Path

from moft.config.build_component import building_mistakes, resolve
from moft.config.config_file import read_with_gaps
from moft.config.yaml12 import lines_of
from moft.errors import ConfigError, MoftError, PluginError
from moft.files.user_path import user_path
from moft.hooks.plugin_manager import Plugins
from moft.hooks.trusted_files import check_trusted, plugin_content
from moft.run.run_settings import RunSettings, plugin_files


def mistakes_of(config: Path, plugins: Plugins, *, trust: bool = False) -> list[str]:
    """The mistakes of a config file, one line each: file, line number, setting and what is wrong.

    Components are built, so what they refuse is included. Data are not read, and no model is loaded.

    Args:
        config: a YAML file.
        plugins: the installed ones; plugin files of the config are registered in a copy.
        trust: the user trusts its plugin files now; those whose content is not trusted are a mistake, and nothing else is
            checked then.

    Raises:
        RunError: the plugin files cannot be remembered as trusted.
    """
    try:
        content, unset = read_with_gaps(config)
    except ConfigError as error:
        return str(error).splitlines()
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
        return [f"{config}:{_line('plugins:', lines_of(config.read_text(encoding='utf-8')))}: {error}"]
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
    lines = lines_of(config.read_text(encoding="utf-8"))
    places = sorted(((_line(text, lines), text) for text in dict.fromkeys(mistakes)), key=lambda place: place[0])
    return [f"{config}:{line}: {text}" for line, text in places]


def _line(mistake: str, lines: dict[str, int]) -> int:
    """The line number of a mistake: that of the innermost setting of its path that is in the file."""
    text = mistake.removeprefix("[")
    known = [path for path in lines if text.startswith(path) and text[len(path) : len(path) + 1] in (":", ".", "]", " ")]
    return lines[max(known, key=len)] if known else 1
