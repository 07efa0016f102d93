"""`moft train`: trains a policy from a config file, into a run folder."""

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
    config: Annotated[Path, typer.Argument(help="Config file in YAML.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=VALUE", help="Change a setting; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder; default: runs/NAME-OF-CONFIG.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run if there is one.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Check the config and print what would be trained; train nothing.")
    ] = False,
) -> None:
    """Train a policy, measure its front and write a report."""
    plugins: Plugins = context.obj
    from moft.run.checks.compatibility import check_before_training
    from moft.run.run_config import read_settings, trackers_of
    from moft.run.train import train_run

    resolved = read_settings(config, overrides or (), plugins)
    folder = out if out is not None else Path("runs") / config.stem
    if plan:
        unchecked = check_before_training(resolved.make())
        trackers_of(resolved, folder, plugins)  # only checks that each can be used, such as that its library is installed
        _print_plan(resolved.plain, folder, plugins, resume, unchecked)
        return
    finished = train_run(resolved, folder, plugins, resume=resume)
    if finished is not None:
        for note in finished.read_notes():
            typer.echo(f"moft: note: {note}", err=True)
        typer.echo(f"Front: {finished.path / 'front.png'}")
        typer.echo(f"Report: {finished.path / 'report.html'}")


def _print_plan(settings: dict[str, Any], folder: Path, plugins: Plugins, resume: bool, unchecked: tuple[str, ...]) -> None:
    """Prints what `moft train` would do with these settings, and what could not be checked."""
    from moft.config.yaml12 import dump
    from moft.run.folder.resume import check_same_config
    from moft.run.folder.run_folder import RunFolder, check_is_free

    if has_run := RunFolder(folder).config.is_file():
        if resume:
            check_same_config(RunFolder(folder), settings)
    else:
        check_is_free(folder)
    trainer, profile = settings["trainer"], settings["profile"]
    typer.echo(f"{'Continues in' if has_run and resume else 'Writes to'}: {folder}")
    if has_run and not resume:
        typer.echo("A run already exists there: choose another --out, remove it, or continue it with --resume.")
    for kind, name in (("tasks", settings["task"]["name"]), ("methods", settings["method"]["name"])):
        offer = plugins.offer(kind, name)
        typer.echo(
            f"{kind[:-1].capitalize()}: {name} ({offer.component.summary}; from {offer.package or offer.plugin} {offer.version})"
        )
    typer.echo(f"Trains: {trainer['epochs']} epochs in {trainer['precision']}, {trainer['evaluations']} validations")
    typer.echo(
        f"Measures: {profile['points']} points on the {profile['split']} split, {profile['bootstrap_samples']} bootstrap samples"
    )
    for sentence in unchecked:
        typer.echo(f"Not checked: {sentence}")
    typer.echo("Settings, with defaults filled in:\n")
    typer.echo(dump(settings).rstrip())
