"""The records of training jobs: checkpoints, step values, costs and notes, and the interface to where they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass
class JobState:
    """A checkpoint: everything that a job needs to go on as if it had never stopped.

    Args:
        step: steps done.
        epoch: epochs done.
        epoch_step: steps done of the running epoch.
        clock: seconds spent so far, by purpose.
        best: value of the best evaluation so far, of each module; -inf before the first.
        weights: of the modules.
        best_weights: at the best evaluation of each; empty before the first.
        moments: of the optimizer, by `parameter|moment`.
        generators: states of random generators, by purpose, and of an adaptive sampler.
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
    """What training cost.

    Args:
        jobs: models that were trained.
        seconds: wall time, with evaluations.
        separate_seconds: what the same models would have taken one after another; `seconds` if they were trained that way. For an
            ensemble it is estimated from steps of a single model, which are timed now and then.
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
    """Where a trainer keeps checkpoints and step values, such as a run folder."""

    def finished(self, job: str) -> Mapping[str, Tensor] | None:
        """The weights of a job that ended, or None."""
        ...

    def latest(self, job: str) -> JobState | None:
        """The newest checkpoint of a job, or None. Step values after it are removed."""
        ...

    def save(self, job: str, state: JobState) -> None:
        """Keeps a checkpoint, atomically."""
        ...

    def finish(self, job: str, weights: Mapping[str, Tensor], account: TrainingCost) -> None:
        """Keeps the weights of a job that ended, and removes its checkpoints."""
        ...

    def forget(self, job: str) -> None:
        """Removes the checkpoints and step values of a job that will not be continued."""
        ...

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        """Keeps the values of one step, and passes them to observers."""
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
