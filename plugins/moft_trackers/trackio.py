"""Tracks runs in a trackio project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moft.api import Count, Front, Run
from moft_trackers.optional_libraries import import_library
from moft_trackers.resume_id import read_resume_id, write_resume_id
from moft_trackers.tracked_values import front_for_board, is_due, numbers_of


class OnTrackio:
    """A run of a trackio project: losses, rates and evaluations of every job, the front and its picture, the config.

    Without `space`, the data stay on this machine, in the folder `TRACKIO_DIR`; `trackio show` opens the dashboard.

    Args:
        run: to be tracked.
        project: of the run.
        space: Hugging Face Space that the data are sent to, such as `me/my-runs`; null sends nothing, unless trackio's
            environment variables say so.
        every: log every n-th step; evaluated steps are always logged.

    Raises:
        ConfigError: trackio is not installed.
    """

    def __init__(self, run: Run, *, project: str = "moft", space: str | None = None, every: Count = 1) -> None:
        self._run, self._project, self._space, self._every = run, project, space, every
        self._library = import_library("trackio", "trackio")
        self._board: Any = None

    def run_started(self) -> None:
        name = read_resume_id(self._run, "trackio")
        self._board = self._library.init(
            project=self._project,
            name=name or self._run.name,
            space_id=self._space,
            config=dict(self._run.config),
            resume="allow" if name else "never",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )
        write_resume_id(self._run, "trackio", str(self._board.name))

    def step_ended(self, step: int, values: Mapping[str, float | str]) -> None:
        if is_due(step, values, self._every):
            self._board.log(numbers_of(values), step=step)

    def front_profiled(self, front: Front) -> None:
        self._board.log(front_for_board(self._library, self._run, front))

    def run_ended(self, error: BaseException | None) -> None:
        self._board.finish()
