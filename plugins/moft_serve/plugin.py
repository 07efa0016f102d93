"""Serves runs over HTTP: the command `moft serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moft import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def moft_commands(app: typer.Typer) -> None:
    """Adds `moft serve`."""
    from moft_serve.command import serve

    app.command("serve")(serve)
