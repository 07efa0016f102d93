"""Tracks runs in an MLflow experiment."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from moft.api import Count, Front, Run
from moft_trackers.optional_libraries import import_library
from moft_trackers.resume_id import read_resume_id, write_resume_id
from moft_trackers.tracked_values import file_of, flatten, front_numbers, is_due, numbers_of

_FILES = ("front.json", "front.csv", "front.png")
_PARAMETERS_PER_CALL = 100  # the limit of a server
_MAX_CHARACTERS = 500  # of the value of a parameter; every server allows as many


class OnMLflow:
    """A run of an MLflow experiment: losses, rates and evaluations of every job, the front's files, the config.

    Args:
        run: to be tracked.
        uri: of a server or a database, such as `sqlite:///runs.db`; null for the environment variable `MLFLOW_TRACKING_URI`,
            or if that is not set, for MLflow's default, the database `mlflow.db` in the current folder.
        experiment: of the run; created if it does not exist.
        every: log every n-th step; evaluated steps are always logged.

    Raises:
        ConfigError: mlflow is not installed.
    """

    def __init__(self, run: Run, *, uri: str | None = None, experiment: str = "moft", every: Count = 1) -> None:
        self._run, self._uri, self._experiment, self._every = run, uri, experiment, every
        self._library, self._entities = import_library("mlflow", "mlflow"), import_library("mlflow.entities", "mlflow")
        self._client: Any = None
        self._id = ""

    def run_started(self) -> None:
        self._client = self._library.MlflowClient(tracking_uri=self._uri)
        self._id = read_resume_id(self._run, "mlflow")
        if self._id:
            self._client.update_run(self._id, status="RUNNING")
            return
        found = self._client.get_experiment_by_name(self._experiment)
        experiment = self._client.create_experiment(self._experiment) if found is None else found.experiment_id
        self._id = str(self._client.create_run(experiment, run_name=self._run.name).info.run_id)
        write_resume_id(self._run, "mlflow", self._id)
        settings = [(_key(name), text[:_MAX_CHARACTERS]) for name, text in flatten(self._run.config).items()]
        for start in range(0, len(settings), _PARAMETERS_PER_CALL):
            part = [self._entities.Param(name, text) for name, text in settings[start : start + _PARAMETERS_PER_CALL]]
            self._client.log_batch(self._id, params=part)

    def step_ended(self, step: int, values: Mapping[str, float | str]) -> None:
        if is_due(step, values, self._every):
            self._log(numbers_of(values), step)

    def front_profiled(self, front: Front) -> None:
        self._log(front_numbers(self._run), 0)
        for name in _FILES:
            path = file_of(self._run, name)
            if path is not None:
                self._client.log_artifact(self._id, str(path))

    def run_ended(self, error: BaseException | None) -> None:
        status = "FINISHED" if error is None else "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        self._client.set_terminated(self._id, status=status)

    def _log(self, numbers: Mapping[str, float], step: int) -> None:
        """Logs the numbers of one step in one call."""
        now = int(time.time() * 1000)
        metrics = [self._entities.Metric(_key(name), value, now, step) for name, value in numbers.items()]
        if metrics:
            self._client.log_batch(self._id, metrics=metrics)


def _key(name: str) -> str:
    """A name with only the characters that MLflow allows."""
    return re.sub(r"[^\w\-. :/]", "_", name)
