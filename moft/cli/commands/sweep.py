"""`moft sweep`: many runs from one config file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moft.cli.table_output import print_table
from moft.errors import RunError
from moft.hooks.plugin_manager import Plugins

if TYPE_CHECKING:
    from moft.run.sweep.sweep import Sweep

PROGRAM = (sys.executable, "-P", "-m", "moft.cli.child_process")  # -P: files of the working folder are no modules


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("sweep")(sweep)


def sweep(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="Config file, YAML.")],
    overs: Annotated[
        list[str] | None,
        typer.Option("--over", metavar="A.B=VALUE,VALUE", help="Vary one setting; repeated, all combinations are run."),
    ] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Runs of each, from the config's own seed on.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=VALUE", help="Change one setting of all runs; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the runs; default runs/NAME-OF-THE-CONFIG-sweep.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Runs at a time; default one for each GPU, or what the cores allow.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the runs and how far they are, and do nothing.")] = False,
) -> None:
    """Train many runs from one config, side by side; what is done already is left alone."""
    plugins: Plugins = context.obj
    from moft.run.sweep.sweep import count_states, plan_sweep, run_sweep

    folder = out if out is not None else Path("runs") / f"{config.stem}-sweep"
    planned = plan_sweep(config, folder, overs or (), overrides or (), seeds, plugins)
    shares = planned.shares(workers)
    if plan:
        states = planned.states()
        print_table(("state", "run"), [(state, str(folder / name)) for name, state in states.items()])
        typer.echo(f"\n{count_states(states)}; {len(shares)} at a time")
        for reason in planned.unknown:
            typer.echo(f"Not checked, whether the method goes with the model: {reason}")
        return
    try:
        failed = run_sweep(planned, PROGRAM, shares, lambda line: typer.echo(line, err=True))
    except KeyboardInterrupt:
        typer.echo("Stopped; what was learned up to the last checkpoints is kept, and the same command goes on.", err=True)
        raise
    _print_folders(planned, {end.job.name for end in failed})
    if failed:
        raise RunError("\n".join(f"{end.job.name}: {end.error} (log: {end.job.log})" for end in failed))


def _print_folders(planned: Sweep, failed: set[str]) -> None:
    """The folders of the runs that are done, and how to compare them."""
    for run in planned.runs:
        if run.name not in failed:
            typer.echo(run.folder)
    if not failed and len(planned.runs) > 1:
        from moft.run.comparison.seeds_and_folds import comparable_by
        from moft.run.report.front_files import read_measured

        options = comparable_by([read_measured(run.folder) for run in planned.runs])
        if options is not None:
            typer.echo(f"Compare them: moft compare {shlex.quote(str(planned.folder))}/*{options}")
