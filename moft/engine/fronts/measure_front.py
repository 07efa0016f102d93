"""Measures the front of a policy: its values at every tradeoff of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from moft.engine.checks.return_values import checked_values
from moft.engine.fronts.front_caveats import missing_values, substitutions
from moft.engine.fronts.kept_points import KeptPoints, measured_by_blocks
from moft.interfaces import Evaluator, LongEvaluator, Policy, Problem, Task
from moft.types import Front, Tradeoff


def measure_front(
    policy: Policy,
    task: Task,
    evaluator: Evaluator,
    tradeoffs: Tradeoff,
    split: str,
    *,
    notes: tuple[str, ...] = (),
    on_progress: Callable[[int], None] | None = None,
    kept: KeptPoints | None = None,
) -> Front:
    """The front of `policy` on a split, measured list by list.

    Args:
        policy: to be steered.
        task: gives the lists of the split.
        evaluator: the metric.
        tradeoffs: n rows, the grid.
        split: `train`, `validation` or `test`.
        notes: for the reader of the front.
        on_progress: called with the number of tradeoffs that are done, after each; only by a `LongEvaluator`.
        kept: points that are kept as they are measured, and not measured again; None measures all of them at once.
    """
    was_training = policy.training
    policy.eval()
    try:
        steered, lists = policy.steer(tradeoffs), task.batches(split)  # a `Steered` computes scores without gradients
        returned: object
        if kept is not None:
            returned = measured_by_blocks(policy, lists, evaluator, tradeoffs, kept, on_progress)
        elif on_progress is not None and isinstance(evaluator, LongEvaluator):
            returned = evaluator.measure(steered, lists, on_progress)
        else:
            returned = evaluator(steered, lists)
    finally:
        policy.train(was_training)
    measured = checked_values(evaluator, returned, len(tradeoffs), len(task.objectives))
    if lists.weights is not None:
        measured = replace(measured, weights=lists.weights[measured.lists])
        notes = (*notes, f"Means are weighted: {task.nouns.lists} count as the data says.")
    if lists.segments:
        measured = replace(measured, segments=tuple(lists.segments[index] for index in measured.lists.tolist()))
    names = tuple(objective.name for objective in task.objectives)
    # A policy may serve a weighting by the nearest one that it was trained for. `served` then has the weights of every point.
    substituted = substitutions(policy, tradeoffs, names)
    served = policy.served(tradeoffs).expand(len(tradeoffs)).weights if substituted else None
    return Front(
        objectives=names,
        tradeoffs=tradeoffs,
        measured=measured,
        metric=evaluator.metric,
        split=split,
        notes=(*notes, *missing_values(measured, names, split, task.nouns), *substituted),
        served=served,
        nouns=task.nouns,
    )


def problem_without_validation(task: Task) -> Problem:
    """The problem of a task, for a policy that is not measured while it is trained: all values are zero."""
    return Problem(task, lambda policy: {"hypervolume": 0.0}, lambda policy, tradeoff: torch.zeros_like(tradeoff.weights))
