"""`moft sweep`: trains one config with many settings or seeds."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moft.cli.option_help import TRUST_HELP
from moft.cli.table_output import print_table
from moft.errors import RunError
from moft.hooks.plugin_manager import Plugins
from moft.interrupts import when_interrupted

if TYPE_CHECKING:
    from moft.run.sweep.sweep import Sweep

PROGRAM = (sys.executable, "-P", "-m", "moft.cli.child_process")  # -P: files in the working folder must not be imported


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("sweep")(sweep)


def sweep(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="Config file in YAML.")],
    overs: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="A.B=VALUE,VALUE",
            help="Setting to vary and its values; if repeated, all combinations are run.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, help="Seeds for each combination, from the seed of the config on; default 1."),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=VALUE", help="Change a setting of all runs; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the run folders; default runs/, the name of the config and -sweep.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Runs at a time; default one per GPU, or as many as the cores allow.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Check all runs and print their state; train nothing.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST_HELP)] = False,
) -> None:
    """Train one config with many settings or seeds.

    Several runs are trained at a time, and finished ones are skipped.
    """
    plugins: Plugins = context.obj
    from moft.run.sweep.sweep import count_states, plan_sweep, run_sweep

    folder = out if out is not None else Path("runs") / f"{config.stem}-sweep"
    planned = plan_sweep(config, folder, overs or (), overrides or (), seeds, plugins, is_run=not plan, trust=trust)
    shares = planned.shares(workers)
    if plan:
        states = planned.states()
        print_table(("state", "run"), [(state, str(folder / name)) for name, state in states.items()])
        typer.echo(f"\n{count_states(states)}; {len(shares)} at a time")
        for sentence in planned.unchecked:
            typer.echo(f"Not checked: {sentence}")
        return
    with when_interrupted(lambda: f"{folder} keeps the finished runs and the last checkpoints of the others."):
        failed = run_sweep(planned, PROGRAM, shares, lambda line: typer.echo(line, err=True))
    _print_folders(planned, {end.job.name for end in failed})
    if failed:
        raise RunError("\n".join(f"{end.job.name}: {end.error} (log: {end.job.log})" for end in failed))


def _print_folders(planned: Sweep, failed: set[str]) -> None:
    """Prints the folders of the finished runs, and the command that compares them."""
    for run in planned.runs:
        if run.name not in failed:
            typer.echo(run.folder)
    if not failed and len(planned.runs) > 1:
        from moft.run.comparison.seeds_and_folds import comparable_by
        from moft.run.report.read_front import read_measured

        options = comparable_by([read_measured(run.folder) for run in planned.runs])
        if options is not None:
            typer.echo(f"Compare them: moft compare {shlex.quote(str(planned.folder))}/*{options}")
