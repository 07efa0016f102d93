"""`moft report`: writes the steering page of a run, one file that works without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moft.errors import ConfigError, MoftError
from moft.hooks.plugin_manager import Plugins


def add(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("report")(report)


def report(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    page: Annotated[Path | None, typer.Option("--page", help="HTML file to write, which needs no other file.")] = None,
) -> None:
    """Write a page on which a run is steered: weights and dial or wished outcomes, and what to expect of them."""
    if page is None:
        raise ConfigError("moft report needs --page, the file to write, such as --page steering.html.")
    from moft.files.atomic_write import atomic_write, check_is_new
    from moft.run.folder.run_folder import RunFolder
    from moft.run.policy.run_page import SteeringPage

    check_is_new(page)
    if not page.absolute().parent.is_dir():
        raise ConfigError(f"{page}: cannot be written, because the folder {page.parent} does not exist.")
    folder = RunFolder.open(run)
    steering = SteeringPage(folder, str(run), _is_text(folder.resolved_config(), context.obj))
    atomic_write(page, steering.file().encode())
    typer.echo(f"Wrote {page}. Open it in a browser.")


def _is_text(config: object, plugins: Plugins) -> bool:
    """Whether the task of a run answers prompts; it is not opened, so that the page needs neither data nor base model."""
    from moft.interfaces import OffersPrompts

    name = config.get("task", {}).get("name") if isinstance(config, dict) else None
    try:
        task: object = plugins.offer("tasks", str(name)).load()
    except MoftError:  # a task of the run's own plugin file, or one whose packages are not installed
        return False
    return isinstance(task, type) and issubclass(task, OffersPrompts)
