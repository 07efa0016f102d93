"""The optimizer steps of an epoch: the batches of each, its learning rate, and what it resulted in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from torch import Tensor

from moft.engine.training.optimizer import learning_rate_factor
from moft.engine.training.trainer_settings import TrainerSettings
from moft.engine.training.training_job import TrainingJob
from moft.types import Batches


@dataclass(frozen=True)
class Step:
    """An optimizer step to take.

    Args:
        micro_batches: the lists of each of its batches; there are several under gradient accumulation.
        learning_rate: of this step.
        epoch: counted from 0.
        divisor: mean lists per step in this epoch. The sum of the losses over a step is divided by it.
        start: share of the job that is done before the step, 0 to 1.
        end: the same after it.
        lists: that the job has trained on after the step, over all epochs.
        is_last: True for the last step of an epoch.
    """

    micro_batches: Sequence[Tensor]
    learning_rate: float
    epoch: int
    divisor: float
    start: float
    end: float
    lists: int
    is_last: bool


@dataclass(frozen=True)
class StepResult:
    """What a step of one model resulted in.

    Args:
        losses: of the lists of each batch that this process computed, `[rows]`.
        loss: their sum over all processes, divided by the step's `divisor`.
        gradient: its norm before clipping.
    """

    losses: Sequence[Tensor]
    loss: float
    gradient: float

    @property
    def is_finite(self) -> bool:
        """Whether the weights can be updated with it."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient)


def steps_of_epoch(job: TrainingJob, settings: TrainerSettings, data: Batches, epoch: int) -> list[Step]:
    """All steps of an epoch, counted from 0, over its batches."""
    size = settings.gradient_accumulation_steps
    batches_of_steps = [data.plan[first : first + size] for first in range(0, len(data), size)]
    count, lists = len(batches_of_steps), list(accumulate(sum(map(len, batches)) for batches in batches_of_steps))
    return [
        Step(
            micro_batches=batches,
            # taken in the middle of the step, so that no step has a rate of zero
            learning_rate=job.learning_rate * learning_rate_factor((epoch + (index + 0.5) / count) / job.epochs, settings),
            epoch=epoch,
            divisor=data.lists / count,
            start=(epoch + index / count) / job.epochs,
            end=(epoch + (index + 1) / count) / job.epochs,
            lists=epoch * data.lists + lists[index],
            is_last=index + 1 == count,
        )
        for index, batches in enumerate(batches_of_steps)
    ]
