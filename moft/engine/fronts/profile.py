"""Measures a policy over a grid of tradeoffs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from moft.engine.checks.return_values import values_of
from moft.interfaces import Assignment, Evaluator, LongEvaluator, Policy, Problem, ReportsFindings, Task
from moft.types import Batch, Front, Injection, ListValues, Tradeoff, betas_of

_SAME = 1e-4  # weights that differ by less are the same ones, written in fewer digits


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
        tell: is called with how many tradeoffs are done, by an evaluator that takes long.
    """
    was_training = policy.training
    policy.eval()
    steered, lists = policy.steer(tradeoffs), task.batches(split)
    if on_progress is not None and isinstance(evaluator, LongEvaluator):
        found = evaluator.measure(steered, lists, on_progress)
    else:
        found = evaluator(steered, lists)
    measured = values_of(evaluator, found, len(tradeoffs), len(task.objectives))
    policy.train(was_training)
    names = tuple(objective.name for objective in task.objectives)
    told = substitutions(policy, tradeoffs, names)
    notes = (*notes, *_empty(measured, names, split))
    served = policy.served(tradeoffs).expand(len(tradeoffs)).weights if told else None
    return Front(names, tradeoffs, measured, evaluator.metric, split, (*notes, *told), served, task.nouns)


def _empty(measured: ListValues, objectives: Sequence[str], split: str) -> list[str]:
    """A sentence for each objective that no list has a value of."""
    empty = measured.values.isnan().flatten(0, 1).all(0).tolist()  # [m]
    return [
        f"{name}: no list of the {split} split says anything of it, so it has no value here, and the front no hypervolume."
        for name, is_empty in zip(objectives, empty, strict=True)
        if is_empty
    ]


def findings(policy: Policy) -> tuple[str, ...]:
    """What the modules of a policy tell of what they learned, each sentence once."""
    told = (str(sentence) for module in policy.modules() if isinstance(module, ReportsFindings) for sentence in module.findings())
    return tuple(dict.fromkeys(told))


def substitutions(policy: Policy, tradeoffs: Tradeoff, objectives: Sequence[str]) -> tuple[str, ...]:
    """For each row of weights that the policy has no model for, a sentence that says which weights answer."""
    asked = tradeoffs.expand(len(tradeoffs)).weights.cpu()
    found = policy.served(tradeoffs).expand(len(tradeoffs)).weights.cpu()
    rows = [index for index, same in enumerate((asked - found).abs().amax(1) <= _SAME) if not same]
    told = dict.fromkeys((_words(asked[row], objectives), _words(found[row], objectives)) for row in rows)
    return tuple(f"Weights {one} are off the grid that was trained; the nearest of it, {other}, answer." for one, other in told)


def _words(weights: Tensor, objectives: Sequence[str]) -> str:
    return ", ".join(f"{name}={value:.4g}" for name, value in zip(objectives, weights.tolist(), strict=True))


class BasePolicy(Policy):
    """The base model as a policy: its correction is zero, whatever it is asked for.

    Args:
        task: gives the model that generates, without any change to the base; only asked for by `answers`.
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


def unmeasured(task: Task) -> Problem:
    """The problem of a task for policies that are not measured while they train: every value is zero."""
    return Problem(task, lambda policy: {"hypervolume": 0.0}, lambda policy, tradeoff: torch.zeros_like(tradeoff.weights))


def base_values(task: Task, evaluator: Evaluator, split: str, *, on_progress: Callable[[int], None] | None = None) -> ListValues:
    """What the base model reaches: one tradeoff row; `tell` as for `profiled`."""
    betas = betas_of(task.objectives)
    weights = torch.full_like(betas, 1 / betas.shape[1])
    return profiled(BasePolicy(task), task, evaluator, Tradeoff(weights, betas), split, on_progress=on_progress).measured


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
