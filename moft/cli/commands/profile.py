"""`moft profile`: measures a trained policy again, on another split, grid or dial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from moft.cli.option_help import DIAL_HELP, TRUST_HELP, WEIGHTS_HELP
from moft.cli.table_output import print_line
from moft.errors import ConfigError, RunError
from moft.hooks.plugin_manager import Plugins
from moft.interrupts import NOTHING, when_interrupted
from moft.run.policy.parse_weights import parse_dials

if TYPE_CHECKING:
    from moft.run.run_settings import ProfileSettings


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("profile")(profile)


def profile(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    split: Annotated[str | None, typer.Option("--split", help="train, validation or test; default that of the run.")] = None,
    points: Annotated[
        int | None, typer.Option("--points", help="Points of the grid, at most 10,000; default those of the run.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option("--weights", help=f"Measured in place of a grid; repeatable. {WEIGHTS_HELP}"),
    ] = None,
    dial: Annotated[
        list[str] | None,
        typer.Option(
            "--dial",
            help=f"{DIAL_HELP} Repeatable: --dial 1 --dial 2 is a front of both, and --dial 1,2 one factor for each objective.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", help="Metric of an objective, such as revenue=value@5, in place of that of the run; repeatable."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to create, or an empty one; default RUN/profiles/SPLIT-POINTS.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST_HELP)] = False,
) -> None:
    """Measure a trained policy again: on another split, with more points, at given weights, other dials or by other metrics."""
    plugins: Plugins = context.obj
    from moft.run.run_settings import MOST_POINTS

    if points is not None and not 1 <= points <= MOST_POINTS:
        raise ConfigError(f"--points {points}: must be at least 1 and at most {MOST_POINTS:,}.")
    if weights and points is not None:
        raise ConfigError("moft profile takes either --points or --weights, not both.")
    from moft.files.atomic_write import atomic_folder, is_free
    from moft.hooks.observers import Observers
    from moft.run.checks.compatibility import check_profile
    from moft.run.folder.resume import data_change
    from moft.run.folder.run_folder import PROFILES
    from moft.run.policy.chosen_metrics import check_measurable, file_safe, parse_metrics, reference_notes, with_metrics
    from moft.run.policy.measure import measure
    from moft.run.policy.open_run import open_run
    from moft.run.policy.point_files import partial_of, points_beside, points_key
    from moft.run.policy.policy_files import training_cost
    from moft.run.report.dials import dial_text, dials_text
    from moft.run.report.write_front import write_results
    from moft.types import Run

    opened = open_run(run, plugins, trust=trust, is_measured=True)
    settings = _with_changes(opened.settings.profile, split=split, points=points)
    chosen = parse_metrics(metric or [], opened.task)
    settings = with_metrics(settings, chosen)
    usual = (1.0,) if weights else sorted(settings.dials)  # a choice has a dial of its own
    dials = parse_dials(dial, opened.names) if dial else [[each] * len(opened.names) for each in usual]
    is_as_trained = all(set(factors) == {1.0} for factors in dials)
    tradeoffs = None
    if weights:
        given: list[str | None] = [*dial] if dial else [None]
        tradeoffs = opened.tradeoffs([(each, factor, "--weights") for factor in given for each in weights])
    name = f"{settings.split}-{'-'.join(map(file_safe, weights)) if weights else settings.points}"
    if not is_as_trained:
        one, *others = dials
        several = "-".join(dial_text(factors, ",") for factors in dials)
        name += f"-dials-{several}" if others else f"-dial-{dial_text(one, '-')}"
    name += "".join(f"-{file_safe(each)}" for each in metric or [])
    target = out if out is not None else run / PROFILES / name
    if not is_free(target):
        raise RunError(f"{target}: already exists; choose another --out or remove it.")
    if target.is_relative_to(run):
        opened.folder.check_is_own(target)
    cost = training_cost(opened.folder)
    observers = Observers(plugins, Run(run.name, run, opened.folder.resolved_config()))
    words = f"{'a dial' if len(dials) == 1 else 'dials'} of {dials_text(dials)}"
    notes = [] if is_as_trained else [f"Measured at {words}."]
    check_profile(settings, opened.task.objectives, dials=len(dials))
    check_measurable(settings, opened.task)
    notes += reference_notes(settings, chosen)
    identity = opened.task.identity()
    if changed := data_change(opened.folder, identity):
        notes.append(f"Measured on other data than the run recorded: {changed}.")
        print_line(f"moft: note: {run}: {changed}; this front is of the data as they are now.", err=True)
    is_as_chosen = not chosen and not changed  # else the values of choices are of another metric or of other data
    choices: Mapping[str, Any] = {}
    try:
        choices = {name: choice.record for name, choice in opened.choices().items()} if is_as_chosen else {}
    except RunError as error:
        print_line(f"moft: note: no choice is marked: {error}", err=True)
    key, place = points_key(opened.folder, settings.split, identity, chosen), partial_of(target)
    with (
        when_interrupted(lambda: f"{place} keeps the measured points." if place.exists() else NOTHING),
        points_beside(target, key) as kept,
    ):
        measured = measure(opened, settings, dials=dials, tradeoffs=tradeoffs, on_progress=observers.points_measured, kept=kept)
        with atomic_folder(target) as folder:
            write_results(measured, settings, folder, cost=cost, notes=notes, run=opened.folder, data=identity, choices=choices)
    observers.front_profiled(measured.front)
    typer.echo(f"Front: {target / 'front.png'}")
    typer.echo(f"Report: {target / 'report.html'}")


def _with_changes(settings: ProfileSettings, *, split: str | None, points: int | None) -> ProfileSettings:
    """The settings with another split or number of points, where given.

    Raises:
        ConfigError: the split does not exist.
    """
    from moft.run.run_settings import Split

    known: tuple[Split, ...] = get_args(Split)
    chosen = next((name for name in known if name == split), settings.split)
    if split not in (None, chosen):
        raise ConfigError(f"--split {split!r}: splits are {', '.join(known)}.")
    return replace(settings, split=chosen, points=settings.points if points is None else points)
