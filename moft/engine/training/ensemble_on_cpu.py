"""Steps of several models on the cores of one machine: each model has passes and an optimiser of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

import torch
from torch import Tensor, nn

from moft.engine.training.ensemble import Cores
from moft.types import Batch, Batches


@dataclass(frozen=True)
class Step:
    """A step that is to be taken.

    Args:
        plans: its batches.
        rate: learning rate.
        each: what the sum of a batch's losses is divided by.
    """

    plans: Sequence[Tensor]
    rate: float
    each: float


@dataclass(frozen=True)
class StepResult:
    """What one model's step gave.

    Args:
        losses: of each batch, `[rows]`.
        loss: their sum over `each`.
        gradient: norm, before clipping.
    """

    losses: Sequence[Tensor]
    loss: float
    gradient: float

    @property
    def is_finite(self) -> bool:
        """Whether the step could be taken."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient)


class CpuEnsemble:
    """Models that take their steps in turns, on as many cores as there are.

    A core that is done with a model goes on with the next one, also of the next step, so that no core waits for another between
    two steps. Each model's steps stay in order.

    Args:
        models: to be trained.
        losses_of: batch and indices of models to `[k, batch]`.
        optimizers: of each model.
        clip: largest norm of a gradient, or infinity.
        autocast: makes the precision's context.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        losses_of: Callable[[Batch, Sequence[int]], Tensor],
        optimizers: Sequence[torch.optim.Optimizer],
        clip: float,
        autocast: Callable[[], Any],
    ) -> None:
        self._losses_of, self._optimizers, self._clip, self._autocast = losses_of, optimizers, clip, autocast
        self._trained = [[one for one in model.parameters() if one.requires_grad] for model in models]
        self._cores = Cores(models)

    def __call__(self, data: Batches, steps: Sequence[Step]) -> list[list[StepResult]]:
        """Takes the steps; for each of them, what every model's gave. A model whose step is not finite takes none after it."""
        count, loaded, lock = len(self._optimizers), dict[int, list[Batch]](), Lock()
        stopped, ended = [False] * count, [Event() for _ in range(count * len(steps))]

        def batches(index: int) -> list[Batch]:
            with lock:  # the first model of a step loads for all of them
                if index not in loaded:
                    loaded.pop(index - 2, None)
                    loaded[index] = [data.load(plan) for plan in steps[index].plans]
                return loaded[index]

        def taken(turn: int) -> StepResult | None:
            index, model = divmod(turn, count)
            if index > 0:
                ended[turn - count].wait()
            try:
                if stopped[model]:
                    return None
                stopped[model] = True  # should it fail
                found = self._taken(steps[index], batches(index), model)
                stopped[model] = not found.is_finite
                return found
            finally:
                ended[turn].set()

        turns = self._cores.each(taken, count * len(steps))
        rows = [turns[index * count : (index + 1) * count] for index in range(len(steps))]
        return [[found for found in row if found is not None] for row in rows if None not in row]

    def close(self) -> None:
        """Lets the cores go."""
        self._cores.close()

    def _taken(self, step: Step, batches: Sequence[Batch], model: int) -> StepResult:
        optimizer, seen, total = self._optimizers[model], [], 0.0
        for batch in batches:
            with self._autocast():
                losses = self._losses_of(batch, (model,)).float()[0]
            loss = losses.sum() / step.each
            torch.autograd.backward(loss)
            seen.append(losses.detach())
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(self._trained[model], self._clip).item()
        if math.isfinite(total) and math.isfinite(norm):
            for group in optimizer.param_groups:
                group["lr"] = step.rate
            optimizer.step()
        optimizer.zero_grad()
        return StepResult(seen, total, norm)
