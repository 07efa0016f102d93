"""`moft choose`: finds the weights and the dial that fulfil a wish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moft.cli.choice_output import bound_rows, choice_lines, outcome_rows
from moft.cli.option_help import TRUST_HELP
from moft.cli.table_output import print_line, print_table
from moft.errors import ConfigError
from moft.files.plain_number import plain_number
from moft.hooks.plugin_manager import Plugins
from moft.interrupts import when_interrupted


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("choose")(choose)


def choose(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", help="Bound, such as 'main >= 99% of base', 'clicks >= 0.42' or 'clicks >= 90% of best'; repeatable."
        ),
    ] = None,
    maximise: Annotated[
        str | None, typer.Option("--maximise", help="Outcome that is to be as large as the bounds allow.")
    ] = None,
    share: Annotated[
        str | None,
        typer.Option("--share", help="Proportions in which outcomes fill their reachable ranges: relevance=60,revenue=40."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option("--like", help="Outcomes to come close to: clicks=0.4,main=0.38, or a point of the run's front, from 1."),
    ] = None,
    confidence: Annotated[
        float, typer.Option("--confidence", help="Probability that all bounds hold on new data, above 0 and at most 0.999.")
    ] = 0.95,
    new_lists: Annotated[
        int | None, typer.Option("--new-lists", help="Size of the new data, in lists; default that of the test split.")
    ] = None,
    dials: Annotated[str, typer.Option("--dials", help="Lowest and highest dial that is searched.")] = "0.125,64",
    measurements: Annotated[
        int | None, typer.Option("--measurements", help="Tradeoffs to measure; default enough for good predictions.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the choice; default choice-1, choice-2, ...")] = None,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST_HELP)] = False,
) -> None:
    """Find the weights and the dial that fulfil a wish, and keep them in the run under a name."""
    plugins: Plugins = context.obj
    from moft.engine.choices.wish_settings import WishSettings, parse_shares
    from moft.run.policy.choices.wish_checks import parse_like
    from moft.run.policy.open_run import open_run

    settings = WishSettings(
        keep=tuple(keep or ()),
        maximise=maximise,
        share=None if share is None else parse_shares(share, "--share"),
        like=None if like is None else parse_like(like),
        confidence=confidence,
        new_lists=new_lists,
        dials=_dials(dials),
        measurements=measurements,
    )
    opened = open_run(run, plugins, trust=trust, is_measured=True)
    measured = opened.folder.choices / "measured"
    with when_interrupted(lambda: f"{measured} keeps what was measured." if measured.exists() else "Nothing was written."):
        choice = opened.choose(settings, name=name, on_progress=_told)
    nouns = opened.task.nouns
    for line in choice_lines(choice, nouns):
        print_line(line)
    typer.echo()
    print_table(*outcome_rows(choice.record, nouns))
    if choice.record["bounds"]:
        typer.echo()
        print_table(*bound_rows(choice.record))
    typer.echo()
    picture = opened.folder.choices / f"{choice.name}.png"
    if picture.exists():
        print_line(f"Picture: {picture}")
    print_line(f"Use it: moft score {run} DATA --weights {choice.name}")


def _dials(text: str) -> tuple[float, float]:
    try:
        low, high = (plain_number(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--dials {text!r}: must be the lowest and the highest dial, such as 0.125,64.") from error
    return low, high


def _told(done: int, points: int) -> None:
    typer.echo(f"measured {done} of {points} tradeoffs", err=True)
