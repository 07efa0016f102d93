"""Steps of an ensemble on the CPU: each model has its own passes and its own optimizer, on one core at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Any

import torch

from moft.engine.training.ensemble.cpu_threads import CpuThreads
from moft.engine.training.optimizer import set_learning_rate
from moft.engine.training.step_schedule import Step, StepResult
from moft.engine.training.training_job import TrainingJob
from moft.types import Batch, Batches


class CpuEnsemble:
    """Takes steps of several models on as many cores as there are.

    A core that is done with a model goes on with the next one, even if that belongs to the next step, so that no core waits
    between two steps. The steps of each model stay in order.

    Args:
        job: whose models to train.
        optimizers: of each model.
        max_norm: largest norm of a gradient, or infinity.
        autocast: makes the precision's context.
    """

    def __init__(
        self,
        job: TrainingJob,
        optimizers: Sequence[torch.optim.Optimizer],
        max_norm: float,
        autocast: Callable[[], Any],
    ) -> None:
        self._losses_of, self._optimizers, self._max_norm, self._autocast = job.losses_of, optimizers, max_norm, autocast
        self._trained = [[parameter for parameter in model.parameters() if parameter.requires_grad] for model in job.models]
        self._threads = CpuThreads(job.models)

    def __call__(self, data: Batches, steps: Sequence[Step]) -> list[list[StepResult]]:
        """Takes the steps; the results of all models for each of them. A model whose step is not finite takes no further one."""
        count, loaded, lock = len(self._optimizers), dict[int, list[Batch]](), Lock()
        stopped, ended = [False] * count, [Event() for _ in range(count * len(steps))]

        def batches(index: int) -> list[Batch]:
            with lock:  # the first model of a step loads for all of them
                if index not in loaded:
                    loaded.pop(index - 2, None)
                    loaded[index] = [data.load(lists) for lists in steps[index].micro_batches]
                return loaded[index]

        def take(turn: int) -> StepResult | None:
            index, model = divmod(turn, count)
            if index > 0:
                ended[turn - count].wait()
            try:
                if stopped[model]:
                    return None
                stopped[model] = True  # should it fail
                result = self._step(steps[index], batches(index), model)
                stopped[model] = not result.is_finite
                return result
            finally:
                ended[turn].set()

        turns = self._threads.map(take, count * len(steps))
        rows = [turns[index * count : (index + 1) * count] for index in range(len(steps))]
        return [[result for result in row if result is not None] for row in rows if None not in row]

    def close(self) -> None:
        """Ends the threads."""
        self._threads.close()

    def _step(self, step: Step, batches: Sequence[Batch], model: int) -> StepResult:
        """One step of one model, on batches that are loaded."""
        optimizer, losses, total = self._optimizers[model], [], 0.0
        for batch in batches:
            with self._autocast():
                values = self._losses_of(batch, (model,)).float()[0]  # [rows]
            loss = values.sum() / step.divisor
            torch.autograd.backward(loss)
            losses.append(values.detach())
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(self._trained[model], self._max_norm).item()
        result = StepResult(losses, total, norm)
        if result.is_finite:
            set_learning_rate(optimizer, step.learning_rate)
            optimizer.step()
        optimizer.zero_grad()
        return result
