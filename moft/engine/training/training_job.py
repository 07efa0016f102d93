"""Training jobs: the models, the data, the loss and the evaluation that one training loop works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from moft.engine.training.jobs.job_records import Records
from moft.engine.training.trainer_settings import TrainerSettings
from moft.interfaces import Feedback
from moft.types import Batch, Batches, Nouns


@dataclass(frozen=True, kw_only=True)
class Job:
    """What checkpoints keep of whatever is trained.

    Args:
        name: of the job.
        module: holds all models.
        models: each of them.
        best: the value of an evaluation whose best weights are kept, for each model; None keeps the last weights.
        feedback: of the adaptive sampler, if the job draws from one.
    """

    name: str
    module: nn.Module
    models: Sequence[nn.Module]
    best: str | None
    feedback: Feedback | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingJob(Job):
    """One model to train, or an ensemble of several; a call of `Trainer.minimise` or `minimise_each` with its defaults filled in.

    Args:
        order: seeds the order of the batches; jobs with the same one see the same batches.
        batches: one pass over the data.
        losses_of: batch and k indices of models to `[k, batch]`.
        evaluate: values of k models, by their indices.
        epochs: passes over the data.
        learning_rate: peak rate.
    """

    order: str
    batches: Callable[[Generator], Batches]
    losses_of: Callable[[Batch, Sequence[int]], Tensor]
    evaluate: Callable[[Sequence[int]], Sequence[Mapping[str, float]]] | None
    epochs: int
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class BoostingJob(Job):
    """A module that grows by rounds of its own; a call of `Trainer.boost`.

    Args:
        rounds: of each chunk.
        grow: grows a chunk by its number, and yields the values of each round.
        evaluate: values of the module.
    """

    rounds: Sequence[int]
    grow: Callable[[int, Generator], Iterator[Mapping[str, float]]]
    evaluate: Callable[[], Mapping[str, float]] | None


@dataclass
class TrainerState:
    """What all jobs of a trainer share.

    Args:
        settings: of the trainer.
        accelerator: Accelerate's.
        records: where checkpoints and step values go.
        seed: of the run.
        generator: for the draws of the running job.
        device: that computes.
        nouns: what messages call lists.
        lists: in the batch of the running step, over all processes; zero where `Trainer.draw` is not allowed.
    """

    settings: TrainerSettings
    accelerator: Any
    records: Records
    seed: int
    generator: Generator
    device: torch.device
    nouns: Nouns
    lists: int = 0

    def autocast(self) -> Any:
        """The precision of forward passes; each thread has to enter it by itself."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.settings.precision == "bf16")


class LossModule(nn.Module):
    """A job's losses as a module, so that a distributed wrapper sees the forward pass that it has to synchronise."""

    def __init__(self, job: TrainingJob) -> None:
        super().__init__()
        self.module = job.module
        self._losses_of = job.losses_of

    def forward(self, batch: Batch, models: Sequence[int]) -> Tensor:
        return self._losses_of(batch, models)
