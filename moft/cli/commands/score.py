"""`moft score`: the scores of a policy for the items of a file, at weights of one's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moft.errors import ConfigError, DataError
from moft.hooks.plugin_manager import Plugins
from moft.run.policy.parse_weights import parse_dial, parse_weights, read_weights_file, tradeoff_at


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("score")(score)


def score(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    data: Annotated[Path, typer.Argument(help="Lists to score, as the run's task reads them.")],
    weights: Annotated[str | None, typer.Option("--weights", help="0.2,0.8 in order, or clicks=0.2,dwell=0.8.")] = None,
    weights_file: Annotated[Path | None, typer.Option("--weights-file", help="A JSON array for each list, one a line.")] = None,
    dial: Annotated[
        str, typer.Option("--dial", help="Times the trained ones; above 1 moves to the base. One, or 1,3 or clicks=3.")
    ] = "1",
    out: Annotated[Path | None, typer.Option("--out", help="Where to write, one score a line; default the terminal.")] = None,
) -> None:
    """Score lists: one number for each item, in the order of the file."""
    plugins: Plugins = context.obj
    if (weights is None) == (weights_file is None):
        raise ConfigError("moft score needs either --weights or --weights-file, and not both.")
    from moft.files.atomic_write import atomic_write
    from moft.run.policy.open_run import open_run
    from moft.run.policy.score import scores_of

    opened = open_run(run, plugins)
    factors = parse_dial(dial, opened.names)
    if weights is not None:
        rows = [parse_weights(weights, opened.names)]
        batches = opened.task.read(data)
    else:
        rows = read_weights_file(weights_file or Path(), opened.names, opened.task.nouns)
        batches = opened.task.read(data)
        if len(rows) != batches.lists:
            raise DataError(f"{weights_file}: has {len(rows)} lines, and {data} has {batches.lists} lists; each list needs one.")
    tradeoff = tradeoff_at(rows, [factors], opened.trained_betas)
    for told in opened.substitutions(tradeoff):
        typer.echo(f"moft: note: {told}", err=True)
    scores = scores_of(opened.policy, batches, tradeoff)
    text = "".join(f"{value:.9g}\n" for value in scores)
    if out is None:
        typer.echo(text, nl=False)
    else:
        atomic_write(out, text.encode())
