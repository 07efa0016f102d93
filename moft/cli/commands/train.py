"""`moft train`: trains a policy from a config file, into a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moft.cli.option_help import TRUST_HELP
from moft.cli.table_output import print_line
from moft.hooks.plugin_manager import Plugins
from moft.interrupts import when_interrupted

if TYPE_CHECKING:
    from moft.run.folder.run_folder import RunFolder


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
    trust: Annotated[bool, typer.Option("--trust", help=TRUST_HELP)] = False,
) -> None:
    """Train a policy, measure its front and write a report."""
    plugins: Plugins = context.obj
    from moft.run.checks.compatibility import check_run, points_to_measure, task_to_check
    from moft.run.folder.run_folder import RunFolder
    from moft.run.folder.start_folders import placed_again
    from moft.run.run_config import read_settings, trackers_of
    from moft.run.train import train_run

    folder = out if out is not None else Path("runs") / config.stem
    is_opened = resume and config.resolve().is_relative_to(folder.resolve())  # the run's own config may be somebody else's
    resumed = RunFolder(folder) if resume and RunFolder(folder).config.is_file() else None
    is_run = not plan and not is_opened
    resolved = read_settings(config, overrides or (), plugins, is_run=is_run, trust=trust, resumed=resumed)
    if plan:
        if resumed is not None:
            _, resolved = placed_again(resumed, resolved, plugins)
        settings = resolved.make()
        task = task_to_check(settings)
        unchecked = check_run(settings, task)
        trackers_of(resolved, folder, plugins)  # only checks that each can be used, such as that its library is installed
        _print_plan(resolved.plain, folder, plugins, resume, unchecked, points_to_measure(settings.profile, len(task.objectives)))
        return
    with when_interrupted(lambda: _kept(folder), "--resume"):
        finished = train_run(resolved, folder, plugins, resume=resume)
    if finished is not None:
        for note in finished.read_notes():
            print_line(f"moft: note: {note}", err=True)
        typer.echo(f"Front: {finished.path / 'front.png'}")
        typer.echo(f"Report: {finished.path / 'report.html'}")
        for name in resolved.plain.get("choices", {}):
            _print_choice(finished, name)


def _print_choice(folder: RunFolder, name: str) -> None:
    """Prints a choice that the config asked for."""
    from moft.cli.choice_output import choice_lines
    from moft.run.policy.choices.choice_files import read_choice
    from moft.run.report.front_record import nouns_of
    from moft.run.report.read_front import read_record

    front = read_record(folder.front)
    for line in choice_lines(read_choice(folder, name, front["objectives"], "choice"), nouns_of(front)):
        print_line(line)


def _kept(folder: Path) -> str:
    """What an interrupted run keeps."""
    from moft.run.folder.run_folder import RunFolder

    run = RunFolder(folder)
    if not run.config.is_file():
        return "Nothing was trained yet, so nothing is kept."
    if (run.policy / "policy.safetensors").exists():
        return f"{folder} keeps the trained policy and the points that were measured."
    return f"{folder} keeps the last checkpoints."


def _print_plan(
    settings: dict[str, Any], folder: Path, plugins: Plugins, resume: bool, unchecked: tuple[str, ...], points: tuple[int, int]
) -> None:
    """Prints what `moft train` would do with these settings.

    Args:
        settings: resolved.
        folder: of the run.
        plugins: offer the components.
        resume: whether a run there would be continued.
        unchecked: what could not be checked, in sentences.
        points: of the grid and of its edges, without the base model.
    """
    from moft.config.yaml12 import dump
    from moft.run.folder.resume import check_same_config
    from moft.run.folder.run_folder import RunFolder, check_is_free

    if has_run := RunFolder(folder).config.is_file():
        if resume:
            check_same_config(RunFolder(folder), settings, plugins)
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
    grid, edges = points
    parts = [f"{grid} of the grid", *([f"at most {edges} between vertices for the pictures"] if edges else []), "the base model"]
    typer.echo(
        f"Measures: {grid + edges + 1} points on the {profile['split']} split ({', '.join(parts)}), "
        f"{profile['bootstrap_samples']} bootstrap samples"
    )
    for sentence in unchecked:
        typer.echo(f"Not checked: {sentence}")
    typer.echo("Settings, with defaults filled in:\n")
    typer.echo(dump(settings).rstrip())
