"""Saves and loads the checkpoints, step values and notes of a run's jobs in its folder."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from torch import Tensor

from moft.engine.training.jobs.job_records import JobState, TrainingCost
from moft.errors import RunError
from moft.files.atomic_write import atomic_folder, atomic_write, refused
from moft.files.json import parse_json, read_json, read_rows, write_json
from moft.files.safetensors import load_tensors, save_tensors
from moft.hooks.observers import Observers
from moft.run.folder.run_folder import RunFolder

FILES = ("weights", "best", "optimizer", "generators")
KEPT = 2
"""Checkpoints of a job that are kept, so that a damaged one is not the only one."""


class RunRecords:
    """The records of one run.

    Args:
        folder: of the run; must be held by this process, or by the main one of several.
        fingerprint: of the config; checkpoints with another one are refused.
        observers: called after every step.
        is_main: False in processes that only read.
    """

    def __init__(self, folder: RunFolder, fingerprint: str, observers: Observers, *, is_main: bool = True) -> None:
        self._folder, self._fingerprint, self._observers, self._is_main = folder, fingerprint, observers, is_main
        self._costs: dict[str, TrainingCost] = {}
        self._journal: IO[str] | None = None

    @property
    def costs(self) -> Mapping[str, TrainingCost]:
        """The cost of each finished job, in order; models that were trained at the same time are one job."""
        return dict(self._costs)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all jobs."""
        return tuple(self._folder.read_notes())

    def finished(self, job: str) -> Mapping[str, Tensor] | None:
        done = self._folder.checkpoints / job / "finished"
        if not done.is_dir():
            return None
        state, (weights,) = self._read(done, "weights", advice="train this job again")
        separate = math.nan if state["separate_seconds"] is None else state["separate_seconds"]
        self._costs[job] = TrainingCost(state["jobs"], state["seconds"], separate, state["parameters"])
        self._drop_steps(job)  # left by a process that was killed before it removed them
        return weights

    def latest(self, job: str) -> JobState | None:
        steps = sorted((self._folder.checkpoints / job).glob("step-*"))
        if not steps:
            self._rewind(job, 0)
            return None
        state, tensors = self._read(steps[-1], *FILES, advice="resume from the one before it")
        self._rewind(job, int(state["step"]))
        weights, best_weights, moments, generators = tensors
        return JobState(
            step=state["step"],
            epoch=state["epoch"],
            epoch_step=state["epoch_step"],
            clock=state["clock"],
            best=tuple(-math.inf if value is None else value for value in state["best"]),
            weights=weights,
            best_weights=best_weights,
            moments=moments,
            generators=generators,
        )

    def save(self, job: str, state: JobState) -> None:
        numbers = {
            "step": state.step,
            "epoch": state.epoch,
            "epoch_step": state.epoch_step,
            "clock": dict(state.clock),
            "best": [value if math.isfinite(value) else None for value in state.best],
        }
        tensors = (state.weights, state.best_weights, state.moments, state.generators)
        self._put(job, f"step-{state.step:09d}", numbers, dict(zip(FILES, tensors, strict=True)))
        for old in sorted((self._folder.checkpoints / job).glob("step-*"))[:-KEPT]:
            shutil.rmtree(old)

    def finish(self, job: str, weights: Mapping[str, Tensor], account: TrainingCost) -> None:
        self._costs[job] = account
        self._put(job, "finished", asdict(account), {"weights": weights})
        self._drop_steps(job)

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        try:
            if self._journal is None:
                self._journal = self._folder.steps.open("a", encoding="utf-8")
            row = {key: None if value != value else value for key, value in values.items()}  # JSON has no NaN
            self._journal.write(json.dumps({"step": step, **row}) + "\n")
            self._journal.flush()
        except OSError as error:
            raise refused(self._folder.steps, error) from error
        self._observers.step_ended(step, values)

    def history(self, name: str) -> list[float]:
        """A value at every step that has it, over all sessions of the run; zero where it is NaN."""
        return [float(row[name] or 0.0) for row in read_rows(self._folder.steps) if name in row]

    def forget(self, job: str) -> None:
        shutil.rmtree(self._folder.checkpoints / job, ignore_errors=True)
        self._rewind(job, 0)

    def note(self, text: str) -> None:
        if text not in self.notes:
            write_json(self._folder.notes, [*self.notes, text])

    def close(self) -> None:
        """Closes the journal."""
        if self._journal is not None:
            with suppress(OSError):  # a failed write was already reported
                self._journal.close()
            self._journal = None

    def _drop_steps(self, job: str) -> None:
        """Removes the checkpoints of a finished job."""
        if self._is_main:
            for old in (self._folder.checkpoints / job).glob("step-*"):
                shutil.rmtree(old)

    def _put(self, job: str, name: str, numbers: Mapping[str, Any], files: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Writes a checkpoint folder of a job atomically."""
        place = self._folder.checkpoints / job / name
        with atomic_folder(place) as temporary:
            for file, tensors in files.items():
                save_tensors(temporary / f"{file}.safetensors", tensors)
            write_json(temporary / "state.json", {"fingerprint": self._fingerprint, **numbers})
            if place.exists():
                shutil.rmtree(place)

    def _read(self, place: Path, *files: str, advice: str) -> tuple[dict[str, Any], list[dict[str, Tensor]]]:
        """Numbers and tensors of a checkpoint folder of a job; `advice` completes "remove it to ..."."""
        try:
            state: dict[str, Any] = read_json(place / "state.json")
            tensors = [load_tensors(place / f"{file}.safetensors") for file in files]
        except RunError as error:
            raise RunError(f"{error} Remove {place} to {advice}.") from error
        if state.get("fingerprint") != self._fingerprint:
            raise RunError(f"{place}: was made with another config; remove it to {advice}.")
        return state, tensors

    def _rewind(self, job: str, step: int) -> None:
        """Removes the values of a job's steps after `step`, and a truncated last line."""
        if not self._is_main or not self._folder.steps.exists():
            return
        self.close()  # an earlier job may have opened the file, which is about to be replaced
        kept = []
        for line in self._folder.steps.read_text(encoding="utf-8").splitlines():
            try:
                values = parse_json(line)
            except ValueError:
                continue
            if values.get("job") != job or values["step"] <= step:
                kept.append(line + "\n")
        atomic_write(self._folder.steps, "".join(kept).encode())
