"""`moft train`: one config file to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from moft.hooks.plugin_manager import Plugins


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("train")(train)


def train(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="Config file, YAML.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=VALUE", help="Change one setting; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder; default runs/NAME-OF-THE-CONFIG.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run if it is there.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would run, and do nothing.")] = False,
) -> None:
    """Train a policy, measure its front, write the report."""
    plugins: Plugins = context.obj
    from moft.run.checks.compatibility import check_before_training
    from moft.run.run_config import read_settings, trackers_of
    from moft.run.train import train_run

    resolved = read_settings(config, overrides or (), plugins)
    folder = out if out is not None else Path("runs") / config.stem
    if plan:
        unknown = check_before_training(resolved.make())
        trackers_of(resolved, folder, plugins)
        _print_plan(resolved.plain, folder, plugins, resume, unknown)
        return
    done = train_run(resolved, folder, plugins, resume=resume)
    if done is not None:
        for note in done.read_notes():
            typer.echo(f"moft: note: {note}", err=True)
        typer.echo(f"Front: {done.path / 'front.png'}")
        typer.echo(f"Report: {done.path / 'report.html'}")


def _print_plan(settings: dict[str, Any], folder: Path, plugins: Plugins, resume: bool, unknown: str) -> None:
    """What `moft train` would do with these settings."""
    from moft.config.yaml12 import dump
    from moft.run.folder.resume import check_same_config
    from moft.run.folder.run_folder import RunFolder, check_is_free

    if is_there := RunFolder(folder).config.is_file():
        if resume:
            check_same_config(RunFolder(folder), settings)
    elif folder.exists():
        check_is_free(folder)
    trainer, profile = settings["trainer"], settings["profile"]
    typer.echo(f"{'Goes on in' if is_there and resume else 'Writes to'}: {folder}")
    if is_there and not resume:
        typer.echo("A run is there already: choose another --out, remove it, or go on with it by --resume.")
    for kind, name in (("tasks", settings["task"]["name"]), ("methods", settings["method"]["name"])):
        offer = plugins.offer(kind, name)
        typer.echo(
            f"{kind[:-1].capitalize()}: {name} ({offer.component.summary}; from {offer.package or offer.plugin} {offer.version})"
        )
    typer.echo(f"Trains: {trainer['epochs']} epochs at {trainer['precision']}, {trainer['evaluations']} validations")
    typer.echo(
        f"Measures: {profile['points']} points on the {profile['split']} split, {profile['bootstrap_samples']} bootstrap samples"
    )
    if unknown:
        typer.echo(f"Not checked, whether the method goes with the model: {unknown}")
    typer.echo("Settings, with defaults filled in:\n")
    typer.echo(dump(settings).rstrip())
