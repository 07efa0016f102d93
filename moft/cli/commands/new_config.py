"""`moft new config`: a config with comments that trains on the user's data as it is, written by the task's plugin."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from moft.errors import ConfigError
from moft.files.cache_folder import cache_folder
from moft.hooks.plugin_manager import Plugins


def config(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="Name of a task: ltr for a ranker, llm for a language model.")],
    data: Annotated[str | None, typer.Option("--data", help="Your data, as the task reads it.")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME=COLUMN", help="An objective and the column of its label; may be repeated."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="The base model to start from.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A=VALUE", help="A setting of the task that says how to read the data; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; default the terminal.")] = None,
) -> None:
    """Write a config with comments that trains on your data as it is."""
    if data is None:
        raise ConfigError(f"moft new config needs --data, such as moft new config {kind} --data PATH.")
    if out is not None and out.exists():
        raise ConfigError(f"{out}: already exists; choose another --out or remove it.")
    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"{out}: cannot be written, because the folder {out.parent} does not exist.")
    plugins: Plugins = context.obj
    offer = plugins.offer("tasks", kind)
    if offer.requirement:
        raise ConfigError(f"task {kind!r} {offer.requirement}")
    from moft.files.atomic_write import atomic_write
    from moft.interfaces import ConfigRequest, WritesStartingConfig
    from moft.types.objective import Objective, check_objective_names

    columns = _labels(labels or [])
    check_objective_names([Objective(name) for name in columns])
    if "${" in data:
        raise ConfigError(f"--data {data!r}: a config reads ${{...}} as an environment variable; rename the folder.")
    task: object = offer.load()
    if not isinstance(task, WritesStartingConfig):
        raise ConfigError(f"task {kind!r} writes no starting config; `moft plugins task {kind}` lists its settings.")
    text = task.starting_config(ConfigRequest(data, columns, model, cache_folder(), _settings(set_ or [])))
    if out is None:
        typer.echo(text, nl=False)
        return
    atomic_write(out, text.encode())
    typer.echo(f"Wrote {out}. Next:")
    typer.echo(f"  moft train {shlex.quote(str(out))} --plan")
    typer.echo(f"  moft train {shlex.quote(str(out))}")


def _settings(texts: list[str]) -> dict[str, object]:
    """Values of settings by name, from texts of the form NAME=VALUE; `task.` before a name may be left out."""
    from moft.config.config_file import read_value

    settings: dict[str, object] = {}
    for text in texts:
        name, is_there, value = text.partition("=")
        name = name.removeprefix("task.")
        if not name or not is_there:
            raise ConfigError(f"--set {text!r} is not of the form NAME=VALUE, as in query=query_id.")
        if name in settings:
            raise ConfigError(f"--set {name!r} is given twice.")
        settings[name] = read_value(value, f"--set {name}")
    return settings


def _labels(texts: list[str]) -> dict[str, str]:
    """Columns by objective, from texts of the form NAME=COLUMN."""
    labels: dict[str, str] = {}
    for text in texts:
        name, _, column = text.rpartition("=")
        if not name or not column:
            raise ConfigError(f"--label {text!r} is not of the form NAME=COLUMN, as in clicks=134.")
        if name in labels:
            raise ConfigError(f"--label {name!r} is given twice.")
        labels[name] = column
    return labels
