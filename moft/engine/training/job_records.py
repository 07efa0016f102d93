"""What a trainer keeps of its jobs, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass
class JobState:
    """Everything that a job needs to go on as if it had never stopped.

    Args:
        step: steps done.
        epoch: epochs done.
        epoch_step: steps done of the running epoch.
        clock: seconds spent so far, by purpose.
        best: value of the best evaluation so far, of each module; -inf before the first.
        weights: of the modules.
        best_weights: at the best evaluation of each; empty before the first.
        moments: of the optimiser, by parameter and name.
        generators: states, by purpose; also what an adaptive sampler has learned.
    """

    step: int
    epoch: int
    epoch_step: int
    clock: Mapping[str, float]
    best: tuple[float, ...]
    weights: Mapping[str, Tensor]
    best_weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    generators: Mapping[str, Tensor]


@dataclass(frozen=True)
class TrainingCost:
    """What training took.

    Args:
        jobs: models that were trained.
        seconds: on the clock, evaluations included.
        separate_seconds: what the same jobs would have taken one after another; `seconds`, where they did run so. For jobs that
            were trained together it is reckoned from steps of one of them alone, timed now and then on the way.
        parameters: that were trained, over all jobs.
    """

    jobs: int = 0
    seconds: float = 0.0
    separate_seconds: float = 0.0
    parameters: int = 0

    def __add__(self, other: TrainingCost) -> TrainingCost:
        return TrainingCost(
            self.jobs + other.jobs,
            self.seconds + other.seconds,
            self.separate_seconds + other.separate_seconds,
            self.parameters + other.parameters,
        )


class Records(Protocol):
    """Where a trainer keeps checkpoints and step values; a run folder, or nothing at all."""

    def finished(self, job: str) -> Mapping[str, Tensor] | None:
        """The weights of a job that ended, or None."""
        ...

    def latest(self, job: str) -> JobState | None:
        """The newest whole checkpoint of a job, or None. Step values after it are forgotten."""
        ...

    def save(self, job: str, state: JobState) -> None:
        """Keeps a checkpoint, whole or not at all."""
        ...

    def finish(self, job: str, weights: Mapping[str, Tensor], account: TrainingCost) -> None:
        """Keeps the weights of a job that ended; its checkpoints can go."""
        ...

    def forget(self, job: str) -> None:
        """Lets go of a job that will not be gone on with: its checkpoints and its step values."""
        ...

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        """Keeps the values of one step and tells observers."""
        ...

    def note(self, text: str) -> None:
        """Keeps a sentence for the readers of the results."""
        ...


class NoRecords:
    """Keeps nothing: for training outside a run."""

    def finished(self, job: str) -> None:
        return None

    def latest(self, job: str) -> None:
        return None

    def save(self, job: str, state: JobState) -> None:
        return None

    def finish(self, job: str, weights: Mapping[str, Tensor], account: TrainingCost) -> None:
        return None

    def forget(self, job: str) -> None:
        return None

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        return None

    def note(self, text: str) -> None:
        return None
