"""The command line `moft`: its own commands, and those that plugins add."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import moft
from moft.cli.command_group import command_group
from moft.cli.commands import choose, compare, config, new, profile, report, score, sweep, train
from moft.cli.commands import plugins as plugins_command
from moft.cli.exit_code import exit_code
from moft.cli.number_options import take_plain_numbers
from moft.cli.plugin_commands import add_commands
from moft.errors import ConfigError, MoftError, PluginError
from moft.hooks.plugin_manager import Plugins


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code: 0 for success, 2 for a user's mistake, 128 and its number for a signal.

    Args:
        argv: the words after `moft`; None for those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)

    def run() -> object:
        plugins = Plugins()
        plugins.load()
        _check_words(words)
        app = application(plugins, () if words[:1] == ["plugins"] else words)  # `moft plugins` lists broken commands too
        if words[:1] == ["plugins"] and len(words) < 4 and not any(word.startswith("-") for word in words):
            plugins_command.show(plugins, *words[1:])  # without typer, which would double the time
            return 0
        command = typer.main.get_command(app)
        take_plain_numbers(command)
        try:
            return command.main(args=words, prog_name="moft", standalone_mode=False)
        except (OSError, typer.TyperException, typer.Abort, typer.Exit):
            raise
        except Exception as error:
            if isinstance(error, MoftError) and not error.module and not (isinstance(error, PluginError) and error.__cause__):
                raise
            from moft.run.checks.out_of_memory import memory_error
            from moft.run.checks.plugin_errors import plugin_error  # imported only now, because they import torch

            if (fault := memory_error(error) or plugin_error(error, plugins)) is None:
                raise
            raise fault from error

    return exit_code(run, words)


def _check_words(words: Sequence[str]) -> None:
    """Refuses words of a command with a character that no file and no terminal takes.

    Raises:
        ConfigError: one has a NUL, or is not UTF-8 text.
    """
    for word in words:
        if "\0" in word or (not word.isascii() and word.encode(errors="replace").decode() != word):
            raise ConfigError(f"the argument {word[:200]!r} is not UTF-8 text.")


def application(plugins: Plugins, words: Sequence[str] = ()) -> typer.Typer:
    """The typer application: all commands, or only the one that `words` names; `plugins` is `obj` of its `typer.Context`."""
    app = typer.Typer(help="Multi-objective fine-tuning: train one policy, steer it at inference.", rich_markup_mode=None)

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    ) -> None:
        context.obj = plugins
        if version:
            typer.echo(f"moft {moft.__version__}")
        elif context.invoked_subcommand is None:
            typer.echo(context.get_help())

    for module in (train, sweep, profile, choose, report, compare, score, plugins_command, config, new):
        module.add(app)
    add_commands(app, command_group("Make, convert and describe data."), plugins, words)
    return app
