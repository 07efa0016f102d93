"""The commands that plugins add: each plugin's all or none, and none is read that the user did not ask for."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from moft.errors import PluginError
from moft.hooks.plugin_manager import Implementation, Plugins
from moft.suggestions import one_line


def add_commands(app: typer.Typer, data: typer.Typer, plugins: Plugins, words: Sequence[str]) -> None:
    """Adds the commands of plugins, and leaves only the one that the user's words name, where they name one.

    Typer takes long to read a command, and longer than all else to read every one.

    Args:
        app: with the commands that are there already.
        data: the group of that name, which joins `app` where it has commands.
        plugins: a failure of one is told in one line and leaves the others as they are.
        words: those after `moft`; none for every command.
    """
    made = []
    for implementation in plugins.implementations("moft_commands"):
        own, own_data = typer.Typer(), typer.Typer()
        with _told(implementation, plugins):
            implementation(app=own, data=own_data)
            made.append((implementation, own, own_data))
    first = _named(words[:1], [app, *(own for _, own, _ in made)], "data")
    second = _named(words[1:2], [data, *(own for _, _, own in made)]) if first == "data" else first
    for implementation, own, own_data in made:
        with _told(implementation, plugins):
            _check(own, "moft", _names(app) | {"data"}, first)
            _check(own_data, "moft data", _names(data), second)
            for group, whole in ((own, app), (own_data, data)):
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
        own = typer.Typer()
        with _told(implementation, plugins):
            implementation(app=own, data=typer.Typer())
            names |= _names(own)
    return names


@contextmanager
def _told(implementation: Implementation, plugins: Plugins) -> Iterator[None]:
    """Tells of a failure in one line, as that of a plugin."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, PluginError) else one_line(error)
        plugins.failed(implementation, f"failed ({reason}).")
        print(f"moft: plugin {implementation.origin} adds no commands ({reason}).", file=sys.stderr)


def _check(group: typer.Typer, whole: str, taken: set[str], name: str) -> None:
    """Fails where a plugin's group cannot join the whole; a command that typer cannot read fails here, by itself."""
    if group.registered_callback is not None:
        raise PluginError(f"it sets the callback of '{whole}', which plugins may not set")
    if both := _names(group) & taken:
        raise PluginError(f"'{whole} {min(both)}' already exists")
    asked = typer.Typer()
    asked.registered_commands, asked.registered_groups = list(group.registered_commands), list(group.registered_groups)
    _keep(asked, name)
    typer.main.get_group(asked)


def _named(words: Sequence[str], groups: Sequence[typer.Typer], *others: str) -> str:
    """The command that a word names; empty where it names none, and all have to be read."""
    return next((word for word in words if word in set(others).union(*map(_names, groups))), "")


def _keep(group: typer.Typer, name: str) -> None:
    """Leaves only what has a name, if one is given."""
    if name:
        group.registered_commands = [command for command in group.registered_commands if name in _names_of_command(command)]
        group.registered_groups = [inner for inner in group.registered_groups if inner.name == name]


def _names(group: typer.Typer) -> set[str]:
    """The names of a group's commands and groups."""
    groups = {inner.name for inner in group.registered_groups if isinstance(inner.name, str)}
    return groups.union(*map(_names_of_command, group.registered_commands))


def _names_of_command(command: typer.models.CommandInfo) -> set[str]:
    """The name that a command was given, or that its function gives it."""
    return {command.name or command.callback.__name__.replace("_", "-")} if command.callback is not None else set()
