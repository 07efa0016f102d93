"""The commands that plugins add; of a plugin with a broken command none is added."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from moft.errors import PluginError
from moft.hooks.plugin_manager import Implementation, Plugins
from moft.suggestions import one_line, printable


def add_commands(app: typer.Typer, data: typer.Typer, plugins: Plugins, words: Sequence[str]) -> None:
    """Adds the commands of plugins, and keeps only the one that `words` names, if they name one.

    typer is slow to parse a command; parsing all of them would take most of the time.

    Args:
        app: the application with the commands of moft.
        data: the group `moft data`; it is added to `app` if it has commands.
        plugins: if one fails, that is printed in one line, and the others are added.
        words: those after `moft`; empty for every command.
    """
    groups = []
    for implementation in plugins.implementations("moft_commands"):
        commands, data_commands = typer.Typer(), typer.Typer()
        with _failures_printed(implementation, plugins):
            implementation(app=commands, data=data_commands)
            groups.append((implementation, commands, data_commands))
    first = _named(words[:1], [app, *(commands for _, commands, _ in groups)], "data")
    second = _named(words[1:2], [data, *(commands for _, _, commands in groups)]) if first == "data" else first
    for implementation, commands, data_commands in groups:
        with _failures_printed(implementation, plugins):
            _check(commands, "moft", _names(app) | {"data"}, first)
            _check(data_commands, "moft data", _names(data), second)
            for group, whole in ((commands, app), (data_commands, data)):
                whole.registered_commands += group.registered_commands
                whole.registered_groups += group.registered_groups
    if data.registered_commands or data.registered_groups:
        app.add_typer(data, name="data")
    for group, name in ((app, first), (data, second)):
        _keep(group, name)


def plugin_command_names(plugins: Plugins) -> set[str]:
    """The names of all commands that plugins add to `moft`."""
    names = set[str]()
    for implementation in plugins.implementations("moft_commands"):
        commands = typer.Typer()
        with _failures_printed(implementation, plugins):
            implementation(app=commands, data=typer.Typer())
            names |= _names(commands)
    return names


@contextmanager
def _failures_printed(implementation: Implementation, plugins: Plugins) -> Iterator[None]:
    """Prints a failure of a plugin in one line."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, PluginError) else one_line(error)
        plugins.failed(implementation, f"failed ({reason}).")
        print(f"moft: plugin {implementation.origin} adds no commands ({printable(reason)}).", file=sys.stderr)


def _check(group: typer.Typer, whole: str, taken: set[str], name: str) -> None:
    """Raises an error if a plugin's group cannot join the whole, or if typer cannot parse one of its commands."""
    if group.registered_callback is not None:
        raise PluginError(f"it sets the callback of '{whole}', which plugins may not set")
    if both := _names(group) & taken:
        raise PluginError(f"'{whole} {min(both)}' already exists")
    part = typer.Typer()
    part.registered_commands, part.registered_groups = list(group.registered_commands), list(group.registered_groups)
    _keep(part, name)
    typer.main.get_group(part)


def _named(words: Sequence[str], groups: Sequence[typer.Typer], *others: str) -> str:
    """The command that the first word names; empty if it names none, so that all have to be parsed."""
    return next((word for word in words if word in set(others).union(*map(_names, groups))), "")


def _keep(group: typer.Typer, name: str) -> None:
    """Keeps only the command or group of a name, if one is given."""
    if name:
        group.registered_commands = [command for command in group.registered_commands if name in _names_of_command(command)]
        group.registered_groups = [inner for inner in group.registered_groups if inner.name == name]


def _names(group: typer.Typer) -> set[str]:
    """The names of a group's commands and groups."""
    groups = {inner.name for inner in group.registered_groups if isinstance(inner.name, str)}
    return groups.union(*map(_names_of_command, group.registered_commands))


def _names_of_command(command: typer.models.CommandInfo) -> set[str]:
    """The name of a command, or of its function if it has none."""
    return {command.name or command.callback.__name__.replace("_", "-")} if command.callback is not None else set()
