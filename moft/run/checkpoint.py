"""Checkpoints of jobs, the values of their steps, and notes: what a trainer keeps in a run folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from moft.engine.train import JobState
from moft.errors import RunError
from moft.hooks.observers import Observers
from moft.run.folder import RunFolder
from moft.run.weights import load_tensors, read_json, save_tensors, write_json

KEPT = 2
"""Checkpoints of a job that stay beside each other, so that one lost to the disk is not the only one."""


class RunRecords:
    """The records of one run.

    Args:
        folder: where they go; must be held by this process.
        fingerprint: of the config; a checkpoint of another one is refused.
        observers: told of every step.
    """

    def __init__(self, folder: RunFolder, fingerprint: str, observers: Observers) -> None:
        self._folder, self._fingerprint, self._observers = folder, fingerprint, observers
        self._seconds: dict[str, float] = {}
        self._journal: Any = None
        for leftover in folder.checkpoints.glob("*/.*"):
            shutil.rmtree(leftover)

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds of each job that has ended, in order."""
        return dict(self._seconds)

    @property
    def notes(self) -> tuple[str, ...]:
        """The sentences that jobs noted."""
        return tuple(read_json(self._folder.notes)) if self._folder.notes.exists() else ()

    def finished(self, job: str) -> Mapping[str, Tensor] | None:
        done = self._folder.checkpoints / job / "finished"
        if not done.is_dir():
            return None
        self._seconds[job] = float(self._state(done)["seconds"])
        return load_tensors(done / "weights.safetensors")

    def latest(self, job: str) -> JobState | None:
        steps = sorted((self._folder.checkpoints / job).glob("step-*"))
        if not steps:
            self._rewind(job, 0)
            return None
        place = steps[-1]
        state = self._state(place)
        self._rewind(job, int(state["step"]))
        return JobState(
            step=state["step"],
            epoch=state["epoch"],
            epoch_step=state["epoch_step"],
            seconds=state["seconds"],
            best=state["best"] if state["best"] is not None else float("-inf"),
            weights=load_tensors(place / "weights.safetensors"),
            best_weights=load_tensors(place / "best.safetensors"),
            moments=load_tensors(place / "optimizer.safetensors"),
            generators=load_tensors(place / "generators.safetensors"),
        )

    def save(self, job: str, state: JobState) -> None:
        numbers = {
            "step": state.step,
            "epoch": state.epoch,
            "epoch_step": state.epoch_step,
            "seconds": state.seconds,
            "best": state.best if state.best_weights else None,
        }
        files = {"weights": state.weights, "best": state.best_weights, "optimizer": state.moments, "generators": state.generators}
        self._put(job, f"step-{state.step:09d}", numbers, files)
        for old in sorted((self._folder.checkpoints / job).glob("step-*"))[:-KEPT]:
            shutil.rmtree(old)

    def finish(self, job: str, weights: Mapping[str, Tensor], seconds: float) -> None:
        self._seconds[job] = seconds
        self._put(job, "finished", {"seconds": seconds}, {"weights": weights})
        for old in (self._folder.checkpoints / job).glob("step-*"):
            shutil.rmtree(old)

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        if self._journal is None:
            self._journal = self._folder.steps.open("a", encoding="utf-8")
        self._journal.write(json.dumps({"step": step, **values}) + "\n")
        self._journal.flush()
        self._observers.step_ended(step, values)

    def note(self, text: str) -> None:
        if text not in self.notes:
            write_json(self._folder.notes, [*self.notes, text])

    def close(self) -> None:
        """Closes the journal."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _put(self, job: str, name: str, numbers: Mapping[str, Any], files: Mapping[str, Mapping[str, Tensor]]) -> None:
        """A folder of a job, whole or not at all."""
        place = self._folder.checkpoints / job / name
        temporary = place.with_name(f".{name}")
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir(parents=True)
            for file, tensors in files.items():
                save_tensors(temporary / f"{file}.safetensors", tensors)
            write_json(temporary / "state.json", {"fingerprint": self._fingerprint, **numbers})
            if place.exists():
                shutil.rmtree(place)
            os.replace(temporary, place)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def _state(self, place: Path) -> dict[str, Any]:
        state: dict[str, Any] = read_json(place / "state.json")
        if state.get("fingerprint") != self._fingerprint:
            raise RunError(f"{place}: is a checkpoint of another config; remove it, or resume with the config that made it.")
        return state

    def _rewind(self, job: str, step: int) -> None:
        """Forgets the values of a job's steps after `step`, and a last line that was cut short."""
        if not self._folder.steps.exists():
            return
        kept = []
        for line in self._folder.steps.read_text(encoding="utf-8").splitlines():
            try:
                values = json.loads(line)
            except json.JSONDecodeError:
                continue
            if values.get("job") != job or values["step"] <= step:
                kept.append(line + "\n")
        temporary = self._folder.steps.with_name(".steps.jsonl")
        temporary.write_text("".join(kept), encoding="utf-8")
        os.replace(temporary, self._folder.steps)
