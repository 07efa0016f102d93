"""`moft config`: checks config files, and writes a JSON Schema for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from moft.cli.command_group import command_group
from moft.cli.option_help import TRUST_HELP
from moft.errors import ConfigError
from moft.hooks.plugin_manager import Plugins


def add(app: typer.Typer) -> None:
    """Adds the commands."""
    group = command_group("Check config files, or write a JSON Schema for editors.")
    group.command("check")(check)
    group.command("schema")(schema)
    app.add_typer(group, name="config")


def check(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Config files in YAML.")],
    trust: Annotated[bool, typer.Option("--trust", help=TRUST_HELP)] = False,
) -> None:
    """Report every mistake in config files, also about their data and base model, without training anything.

    A plugin file is run only if you trust its content.
    """
    plugins: Plugins = context.obj
    from moft.run.checks.config_mistakes import mistakes_of

    mistakes: list[str] = []
    for file in files:
        found, unchecked = mistakes_of(file, plugins, trust=trust)
        mistakes += found
        if not found:
            typer.echo(f"{file}: no mistakes.")
        for sentence in unchecked:
            typer.echo(f"{file}: not checked: {sentence}")
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def schema(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; default the terminal.")] = None,
    files: Annotated[
        list[Path] | None, typer.Option("--plugin", help="Plugin file whose components are included; may be repeated.")
    ] = None,
) -> None:
    """Write a JSON Schema of config files with all installed components."""
    plugins: Plugins = context.obj
    from moft.config.json_schema import json_schema
    from moft.files.atomic_write import atomic_write
    from moft.run.run_settings import RunSettings

    for file in files or ():
        plugins.register_file(file)
    text = json.dumps({"title": "moft config", **json_schema(RunSettings, plugins)}, indent=2) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        atomic_write(out, text.encode())
        typer.echo(f"Wrote {out}.")
