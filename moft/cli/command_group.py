"""A group of commands, such as `moft config`."""

from __future__ import annotations

import typer


def command_group(help_text: str) -> typer.Typer:
    """A group that prints its help if no command is given."""
    group = typer.Typer(help=help_text, rich_markup_mode=None)

    @group.callback(invoke_without_command=True)
    def root(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return group
