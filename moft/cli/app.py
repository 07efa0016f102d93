"""The command line `moft`: its own commands, one per file, and those that plugins add."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import moft
from moft.cli import compare, config, new, profile, score, sweep, train
from moft.cli import plugins as plugins_command
from moft.cli.errors import exit_code
from moft.cli.groups import command_group
from moft.errors import MoftError, PluginError
from moft.hooks.manager import Implementation, Plugins
from moft.hooks.spelling import one_line


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code: 0, or 2 after a user's mistake.

    Args:
        argv: the words after `moft`; by default those of the process.
    """

    def run() -> object:
        plugins = Plugins()
        plugins.load()
        app = application(plugins)
        words = list(sys.argv[1:] if argv is None else argv)
        if words[:1] == ["plugins"] and len(words) < 4 and not any(word.startswith("-") for word in words):
            plugins_command.show(plugins, *words[1:])  # past typer, which takes as long to read words as all this
            return 0
        command = typer.main.get_command(app)
        try:
            return command.main(args=words, prog_name="moft", standalone_mode=False)
        except (OSError, typer.TyperException, typer.Abort, typer.Exit):
            raise
        except Exception as error:
            if isinstance(error, MoftError) and not (isinstance(error, PluginError) and error.__cause__):
                raise
            from moft.run.faults import told_fault  # imports torch, and so only now

            if (fault := told_fault(error, plugins)) is None:
                raise
            raise fault from error

    return exit_code(run)


def application(plugins: Plugins) -> typer.Typer:
    """The whole of `moft`; commands find `plugins` as `obj` of their `typer.Context`."""
    app = typer.Typer(help="Multi-objective fine-tuning: train once, steer at inference.", rich_markup_mode=None)

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    ) -> None:
        context.obj = plugins
        if version:
            typer.echo(f"moft {moft.__version__}")
        elif context.invoked_subcommand is None:
            typer.echo(context.get_help())

    for module in (train, sweep, profile, compare, score, plugins_command, config, new):
        module.add(app)
    data = command_group("Make, convert and describe data.")
    for implementation in plugins.implementations("moft_commands"):
        _add_commands(app, data, implementation, plugins)
    if data.registered_commands or data.registered_groups:
        app.add_typer(data, name="data")
    return app


def _add_commands(app: typer.Typer, data: typer.Typer, implementation: Implementation, plugins: Plugins) -> None:
    """Adds one plugin's commands, all or none; a failure is told in one line and leaves the others as they are."""
    own, own_data = typer.Typer(), typer.Typer()
    try:
        implementation(app=own, data=own_data)
        for group, mine, whole in ((own, app, "moft"), (own_data, data, "moft data")):
            if group.registered_callback is not None:
                raise PluginError(f"it sets the callback of '{whole}', which is not a plugin's to set")
            typer.main.get_group(group)  # a command that typer cannot parse fails here, by itself
            taken = _names(group) & (_names(mine) | {"data"} if mine is app else _names(mine))
            if taken:
                raise PluginError(f"'{whole} {min(taken)}' is there already")
    except Exception as error:
        reason = str(error) if isinstance(error, PluginError) else one_line(error)
        plugins.failed(implementation, f"failed ({reason}).")
        print(f"moft: plugin {implementation.origin} adds no commands ({reason}).", file=sys.stderr)
        return
    for group, mine in ((own, app), (own_data, data)):
        mine.registered_commands += group.registered_commands
        mine.registered_groups += group.registered_groups


def _names(group: typer.Typer) -> set[str]:
    """The names of a group's commands and groups."""
    commands = {c.name or c.callback.__name__.replace("_", "-") for c in group.registered_commands if c.callback is not None}
    groups = {g.name for g in group.registered_groups if isinstance(g.name, str)}
    return commands | groups
