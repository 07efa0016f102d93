"""Tracks runs with TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moft import ConfigError
from moft.api import Count, Front, Run, user_path
from moft_trackers.optional_libraries import import_library
from moft_trackers.tracked_values import file_of, front_numbers, front_table, is_due, numbers_of


class OnTensorBoard:
    """Event files for TensorBoard: losses, rates and evaluations of every job, the front and its picture, the config.

    Args:
        run: to be tracked.
        folder: for event files, in a subfolder with the name of the run; null for `tensorboard` in the run folder.
        every: log every n-th step; evaluated steps are always logged.

    Raises:
        ConfigError: TensorBoard is not installed, or there is no folder to write to.
    """

    def __init__(self, run: Run, *, folder: str | None = None, every: Count = 1) -> None:
        if folder is None and run.folder is None:
            raise ConfigError("tracker 'tensorboard' needs the setting folder, because the run has no folder.")
        self._run, self._every = run, every
        self._folder = Path(run.folder) / "tensorboard" if folder is None else user_path(folder) / run.name
        import_library("tensorboard", "tensorboard")
        self._open = import_library("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._writer: Any = None

    def run_started(self) -> None:
        self._writer = self._open(log_dir=str(self._folder))
        self._writer.add_text("config", f"```json\n{json.dumps(dict(self._run.config), indent=2)}\n```")

    def step_ended(self, step: int, values: Mapping[str, float | str]) -> None:
        if is_due(step, values, self._every):
            for name, value in numbers_of(values).items():
                self._writer.add_scalar(name, value, global_step=step)

    def front_profiled(self, front: Front) -> None:
        for name, value in front_numbers(self._run).items():
            self._writer.add_scalar(name, value)
        columns, rows = front_table(front)
        cells = [columns, ["---"] * len(columns), *([_text(value) for value in row] for row in rows)]
        self._writer.add_text("front/points", "\n".join(f"| {' | '.join(row)} |" for row in cells))
        picture = file_of(self._run, "front.png")
        if picture is not None:
            from matplotlib.image import imread

            self._writer.add_image("front/picture", imread(picture), dataformats="HWC")

    def run_ended(self, error: BaseException | None) -> None:
        self._writer.close()


def _text(value: float | None) -> str:
    """A number as text for the table."""
    return "" if value is None else f"{value:.4f}"
