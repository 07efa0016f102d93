"""`moft score`: scores the items of a file with a policy, at given objective weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moft.cli.option_help import DIAL_HELP, TRUST_HELP, WEIGHTS_HELP
from moft.cli.table_output import print_line
from moft.errors import ConfigError, DataError
from moft.hooks.plugin_manager import Plugins
from moft.interrupts import NOTHING, when_interrupted
from moft.run.policy.parse_weights import parse_dial, read_weights_file, tradeoff_at

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""In ids."""


def field(value: str | int) -> str:
    """A value as a field of a line: tabs and line ends of an id are escaped."""
    return str(value).translate(ESCAPES)


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("score")(score)


def score(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    data: Annotated[Path, typer.Argument(help="Lists to score, in a format that the task of the run reads.")],
    weights: Annotated[str | None, typer.Option("--weights", help=WEIGHTS_HELP)] = None,
    weights_file: Annotated[
        Path | None, typer.Option("--weights-file", help="Objective weights for each list: one JSON array per line.")
    ] = None,
    dial: Annotated[str | None, typer.Option("--dial", help=DIAL_HELP)] = None,
    expect: Annotated[
        bool,
        typer.Option("--expect", help="Also say what outcomes to expect at --weights, from the measurements of moft choose."),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="File for the scores, one per line; default the terminal.")] = None,
    ids: Annotated[
        bool,
        typer.Option(
            "--ids",
            help="Put ids before each score, with tabs: of the list, a qid or its number, and of the item, if the data has them.",
        ),
    ] = False,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST_HELP)] = False,
) -> None:
    """Score lists with a policy: one number per item, in the order of the file."""
    plugins: Plugins = context.obj
    if (weights is None) == (weights_file is None):
        raise ConfigError("moft score needs either --weights or --weights-file, not both.")
    if expect and weights is None:
        raise ConfigError("--expect needs --weights: outcomes are predicted for one weighting.")
    from moft.cli.choice_output import expected_lines
    from moft.files.atomic_write import atomic_write, check_is_new
    from moft.run.policy.open_run import open_run
    from moft.run.policy.score import scores_by_list

    opened = open_run(run, plugins, trust=trust)
    if weights is not None:
        tradeoff = opened.tradeoff(weights, dial)
        batches = opened.task.read(data)
    else:
        rows = read_weights_file(weights_file or Path(), opened.names, opened.task.nouns)
        batches = opened.task.read(data)
        if len(rows) != batches.lists:
            nouns = opened.task.nouns
            lines = "1 line" if len(rows) == 1 else f"{len(rows):,} lines"
            raise DataError(
                f"{weights_file}: has {lines}, but {data} has {nouns.count_lists(batches.lists)}; "
                f"give one line of weights for each {nouns.list}."
            )
        tradeoff = tradeoff_at(rows, [parse_dial("1" if dial is None else dial, opened.names)], opened.trained_betas)
    if expect:
        for line in expected_lines(opened.expect_at(tradeoff)):
            print_line(line, err=out is None)
    for note in opened.substitutions(tradeoff):
        print_line(f"moft: note: {note}", err=True)
    if out is not None:
        check_is_new(out)
    with when_interrupted(lambda: NOTHING):
        scores = scores_by_list(opened.policy, batches, tradeoff)
    names = batches.names or range(1, len(scores) + 1)
    of_lists = [name for name, values in zip(names, scores, strict=True) for _ in values]
    columns = [of_lists, *filter(len, [batches.item_names])] if ids else []
    values = [f"{value:.9g}" for of_list in scores for value in of_list]
    text = "".join("\t".join(map(field, row)) + "\n" for row in zip(*columns, values, strict=True))
    if out is None:
        typer.echo(text, nl=False)
    else:
        atomic_write(out, text.encode())
