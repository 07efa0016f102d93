"""Tracks runs with Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from moft.api import Count, Front, Run
from moft_trackers.optional_libraries import import_library
from moft_trackers.resume_id import read_resume_id, write_resume_id
from moft_trackers.tracked_values import front_for_board, is_due, numbers_of


class OnWandb:
    """A run of a Weights & Biases project: losses, rates and evaluations of every job, the front and its picture, the config.

    Args:
        run: to be tracked.
        project: of the run.
        entity: user or team; null for the default of the account.
        mode: `online` sends the data, `offline` keeps them in the run folder for `wandb sync`; null for the environment
            variable `WANDB_MODE`, or if that is not set, for `online`.
        tags: of the run.
        every: log every n-th step; evaluated steps are always logged.

    Raises:
        ConfigError: wandb is not installed.
    """

    def __init__(
        self,
        run: Run,
        *,
        project: str = "moft",
        entity: str | None = None,
        mode: Literal["online", "offline"] | None = None,
        tags: tuple[str, ...] = (),
        every: Count = 1,
    ) -> None:
        self._run, self._every = run, every
        self._options = {"project": project, "entity": entity, "mode": mode, "tags": list(tags)}
        self._library = import_library("wandb", "wandb")
        self._board: Any = None
        self._jobs: set[str] = set()

    def run_started(self) -> None:
        known = read_resume_id(self._run, "wandb")
        self._board = self._library.init(
            **self._options,
            name=self._run.name,
            id=known or None,
            resume="allow" if known else None,
            dir=None if self._run.folder is None else str(self._run.folder),
            config=dict(self._run.config),
            reinit="create_new",
        )
        write_resume_id(self._run, "wandb", str(self._board.id))

    def step_ended(self, step: int, values: Mapping[str, float | str]) -> None:
        if not is_due(step, values, self._every):
            return
        job = str(values.get("job", "run"))
        if job not in self._jobs:  # each job counts its steps from 1, but the count of wandb may only grow
            self._jobs.add(job)
            self._board.define_metric(f"{job}/*", step_metric=f"{job}/step")
        self._board.log({**numbers_of(values), f"{job}/step": step})

    def front_profiled(self, front: Front) -> None:
        self._board.log(front_for_board(self._library, self._run, front))

    def run_ended(self, error: BaseException | None) -> None:
        self._board.finish(exit_code=0 if error is None else 1)
