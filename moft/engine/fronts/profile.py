"""Measures a policy over a grid of tradeoffs: its front."""

from __future__ import annotations

from collections.abc import Callable

import torch

from moft.engine.checks.return_values import values_of
from moft.engine.fronts.front_notes import missing_values, substitutions
from moft.interfaces import Evaluator, LongEvaluator, Policy, Problem, Task
from moft.types import Front, Tradeoff


def profiled(
    policy: Policy,
    task: Task,
    evaluator: Evaluator,
    tradeoffs: Tradeoff,
    split: str,
    *,
    notes: tuple[str, ...] = (),
    on_progress: Callable[[int], None] | None = None,
) -> Front:
    """The front of `policy` on a split, measured list by list.

    Args:
        policy: to be steered.
        task: where lists come from.
        evaluator: the metric.
        tradeoffs: n rows, the grid.
        split: `train`, `validation` or `test`.
        notes: for the reader of the front.
        on_progress: is called with how many tradeoffs are done, by an evaluator that takes long.
    """
    was_training = policy.training
    policy.eval()
    steered, lists = policy.steer(tradeoffs), task.batches(split)
    if on_progress is not None and isinstance(evaluator, LongEvaluator):
        returned = evaluator.measure(steered, lists, on_progress)
    else:
        returned = evaluator(steered, lists)
    measured = values_of(evaluator, returned, len(tradeoffs), len(task.objectives))
    policy.train(was_training)
    names = tuple(objective.name for objective in task.objectives)
    substituted = substitutions(policy, tradeoffs, names)
    served = policy.served(tradeoffs).expand(len(tradeoffs)).weights if substituted else None
    all_notes = (*notes, *missing_values(measured, names, split, task.nouns), *substituted)
    return Front(names, tradeoffs, measured, evaluator.metric, split, all_notes, served, task.nouns)


def unmeasured(task: Task) -> Problem:
    """The problem of a task for policies that are not measured while they train: every value is zero."""
    return Problem(task, lambda policy: {"hypervolume": 0.0}, lambda policy, tradeoff: torch.zeros_like(tradeoff.weights))
