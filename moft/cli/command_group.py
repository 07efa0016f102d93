"""Groups of commands."""

from __future__ import annotations

import typer


def command_group(help_text: str) -> typer.Typer:
    """A group that shows its help where no command of it is named."""
    group = typer.Typer(help=help_text, rich_markup_mode=None)

    @group.callback(invoke_without_command=True)
    def root(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return group
