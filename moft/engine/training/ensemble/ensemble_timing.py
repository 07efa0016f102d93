"""Times one model of an ensemble now and then, to estimate what training the models one after another would cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from moft.engine.training.optimizer import adamw
from moft.engine.training.step_schedule import Step
from moft.engine.training.training_clock import TrainingClock
from moft.engine.training.training_job import TrainerState, TrainingJob
from moft.types import Batches

_TIMES = 12  # that steps of a single model are timed in a job


class EnsembleTiming:
    """Laps of a job's clock; in an ensemble, some steps and the first evaluation are timed for a single model too.

    Args:
        clock: of the job.
        job: that is timed.
        trainer: of the job.
    """

    def __init__(self, clock: TrainingClock, job: TrainingJob, trainer: TrainerState) -> None:
        self._clock, self._job, self._trainer = clock, job, trainer
        self._is_ensemble = len(job.models) > 1
        self._single: _SingleModel | None = None

    @contextmanager
    def steps(self, data: Batches, steps: Sequence[Step]) -> Iterator[None]:
        """Adds the time of the block, which takes `steps`; one model may be timed on the same batches just before."""
        is_timed = (
            self._is_ensemble
            and self._trainer.accelerator.num_processes == 1
            and int(steps[-1].end * _TIMES) > int(steps[0].start * _TIMES)
        )
        if is_timed:
            self._single = self._single or _SingleModel(self._job, self._trainer)
            self._clock.lap("steps", wait=True)
            for step in steps:
                self._single.take(data, step)
            self._clock.lap("steps, timed alone", wait=True)
        yield
        self._clock.lap("steps", *(["steps, timed together"] if is_timed else []), wait=is_timed)

    def evaluated(self, evaluate: Callable[[Sequence[int]], Any]) -> None:
        """Adds the time of an evaluation that just ended; after the first one of an ensemble, one model is evaluated alone."""
        is_timed = self._is_ensemble and "evaluations" not in self._clock.spent
        self._clock.lap("evaluations", *(["evaluations, timed together"] if is_timed else []))
        if is_timed:
            evaluate((0,))
            self._clock.lap("evaluations, timed alone")


class _SingleModel:
    """Steps of the first model as if it were trained alone, on copies of its parameters, so that they change nothing."""

    def __init__(self, job: TrainingJob, trainer: TrainerState) -> None:
        self._job, self._trainer = job, trainer
        self._parameters = [parameter for parameter in job.models[0].parameters() if parameter.requires_grad]
        self._copies = [nn.Parameter(parameter.detach().clone()) for parameter in self._parameters]
        self._optimizer = adamw(self._copies, job, trainer)

    def take(self, data: Batches, step: Step) -> None:
        """All that a step of its own job would do, from loading the batches to the optimizer."""
        trainer, losses = self._trainer, torch.zeros(0)
        devices = [trainer.device] if trainer.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            for lists in step.micro_batches:
                with trainer.autocast():
                    losses = self._job.losses_of(data.load(lists), (0,)).float()
                torch.autograd.backward(losses.sum() / step.divisor)
        norm: Tensor = torch.nn.utils.clip_grad_norm_(self._parameters, trainer.settings.max_grad_norm or math.inf)
        torch.stack([losses.detach().sum(), norm]).tolist()
        for copy, parameter in zip(self._copies, self._parameters, strict=True):
            copy.grad, parameter.grad = parameter.grad, None
        self._optimizer.step()
