"""The base model as a policy, and the values that it reaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from moft.engine.fronts.kept_points import KeptPoints
from moft.engine.fronts.measure_front import measure_front
from moft.interfaces import Assignment, Evaluator, Policy, Task
from moft.types import Batch, Injection, ListValues, Tradeoff, betas_of


class BasePolicy(Policy):
    """The base model as a policy: its correction is zero at every tradeoff.

    Args:
        task: gives the model that generates, without any change to the base; only used by `assignments`.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task

    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        return torch.zeros_like(batch.reference)

    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        return torch.ones_like(tradeoff.betas[:, :1])

    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        whole = tradeoff.expand(len(tradeoff))
        with torch.random.fork_rng(devices=[]):
            model = self._task.model(whole.weights.shape[1])
        rows = torch.arange(len(whole), device=whole.weights.device)
        return [Assignment(rows, model, Injection(), torch.full_like(whole.weights[:, :1], torch.inf))]


def base_values(
    task: Task,
    evaluator: Evaluator,
    split: str,
    *,
    on_progress: Callable[[int], None] | None = None,
    kept: KeptPoints | None = None,
) -> ListValues:
    """The values of the base model, for one tradeoff row; `on_progress` and `kept` are those of `measure_front`."""
    betas = betas_of(task.objectives)
    weights = torch.full_like(betas, 1 / betas.shape[1])
    policy, tradeoff = BasePolicy(task), Tradeoff(weights, betas)
    return measure_front(policy, task, evaluator, tradeoff, split, on_progress=on_progress, kept=kept).measured
