"""Measures a policy over a grid of tradeoffs."""

from __future__ import annotations

import torch
from torch import Tensor

from moft.interfaces import Evaluator, Policy, Task
from moft.types import Batch, Front, ListValues, Tradeoff, temperatures_of


def profiled(
    policy: Policy, task: Task, evaluator: Evaluator, tradeoffs: Tradeoff, split: str, *, notes: tuple[str, ...] = ()
) -> Front:
    """The front of `policy` on a split, measured list by list.

    Args:
        policy: to be steered.
        task: where lists come from.
        evaluator: the metric.
        tradeoffs: n rows, the grid.
        split: `train`, `validation` or `test`.
        notes: for the reader of the front.
    """
    was_training = policy.training
    policy.eval()
    measured = evaluator(policy.steer(tradeoffs), task.batches(split)).ordered()
    policy.train(was_training)
    return Front(tuple(objective.name for objective in task.objectives), tradeoffs, measured, evaluator.metric, split, notes)


class BasePolicy(Policy):
    """The base model as a policy: its correction is zero, whatever it is asked for."""

    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        return torch.zeros_like(batch.reference)

    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        return torch.ones_like(tradeoff.temperatures[:, :1])


def base_values(task: Task, evaluator: Evaluator, split: str) -> ListValues:
    """What the base model reaches: one tradeoff row."""
    temperatures = temperatures_of(task.objectives)
    weights = torch.full_like(temperatures, 1 / temperatures.shape[1])
    return profiled(BasePolicy(), task, evaluator, Tradeoff(weights, temperatures), split).measured


def edge_weights(m: int, inside: int) -> tuple[Tensor, list[tuple[int, int]]]:
    """Weights along every edge of the simplex, ends left out.

    Args:
        m: objectives.
        inside: points on each edge.

    Returns: `[edges * inside, m]`, and for each row the two objectives of its edge.
    """
    rows, edges = [], []
    for first in range(m):
        for second in range(first + 1, m):
            for step in range(1, inside + 1):
                row = torch.zeros(m)
                row[second] = step / (inside + 1)
                row[first] = 1 - row[second]
                rows.append(row)
                edges.append((first, second))
    return (torch.stack(rows) if rows else torch.zeros(0, m)), edges
