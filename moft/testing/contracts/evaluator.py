"""The contract of evaluators."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft.interfaces import Evaluator, Steered
from moft.testing.contracts.assertions import require, require_kind, require_same
from moft.types import Batch, ListValues


def check_evaluator(evaluator: Evaluator, steered: Steered, batches: Sequence[Batch]) -> None:
    """Checks what every evaluator promises.

    A metric in words; a value for every tradeoff, list and objective, never infinite and without gradient; NaN for the
    same lists at every tradeoff; the same values list by list, batch by batch and tradeoff by tradeoff.

    Args:
        evaluator: to check.
        steered: a policy on two tradeoffs or more.
        batches: of at least two lists in all.

    Raises:
        AssertionError: what was promised, what was seen, and on which input.
    """
    metric = getattr(evaluator, "metric", None)
    require(isinstance(metric, str) and bool(metric), "a metric, in words", repr(metric), "the evaluator itself")
    n, m = len(steered.tradeoff), batches[0].labels.shape[-1]
    expected = torch.cat([batch.lists for batch in batches]).sort().values
    require(n > 1 and len(expected) > 1, "a check on two tradeoffs and two lists", (n, len(expected)), "what was given")
    kept = [(batch.labels.clone(), batch.main.clone()) for batch in batches]
    whole = evaluator(steered, batches)
    on = f"{n} tradeoffs, {len(expected)} lists"
    require_kind(whole, ListValues, "ListValues", on)
    untouched = all(
        torch.equal(batch.labels, labels) and torch.equal(batch.main, main)
        for batch, (labels, main) in zip(batches, kept, strict=True)
    )
    require(untouched, "labels left as they were", "some were changed in place", on)
    for name, tensor, shape in (
        ("values", whole.values, (n, len(expected), m)),
        ("main", whole.main, (n, len(expected))),
        ("lists", whole.lists, (len(expected),)),
    ):
        require(tuple(tensor.shape) == shape, f"{name} of shape {list(shape)}", list(tensor.shape), on)
    measured = whole.ordered()
    require(torch.equal(measured.lists.cpu(), expected.cpu()), "every list once", measured.lists.tolist(), on)
    for name, tensor in (("values", measured.values), ("main", measured.main)):
        require(not tensor.requires_grad, f"{name} without gradient", "a gradient", on)
        require(not bool(tensor.isinf().any()), f"no infinite {name}", "an infinity", on)
        skipped = tensor.isnan()
        require(
            bool((skipped == skipped[:1]).all()), f"NaN in {name} for the same lists at every tradeoff", "different lists", on
        )
    _check_parts(evaluator, steered, batches, measured)


def _check_parts(evaluator: Evaluator, steered: Steered, batches: Sequence[Batch], measured: ListValues) -> None:
    """The same measurement in other portions."""
    alone = [batch.select(torch.tensor([row], device=batch.reference.device)) for batch in batches for row in range(len(batch))]
    _check_same(evaluator(steered, alone).ordered(), measured.values, measured.main, "list by list")
    _check_same(evaluator(steered, list(batches)[::-1]).ordered(), measured.values, measured.main, "batches in reverse order")
    for index in range(len(steered.tradeoff)):
        row = torch.tensor([index], device=steered.tradeoff.weights.device)
        one = evaluator(Steered(steered.policy, steered.tradeoff.select(row)), batches).ordered()
        here = slice(index, index + 1)
        _check_same(one, measured.values[here], measured.main[here], f"tradeoff {index} alone")


def _check_same(found: ListValues, values: Tensor, main: Tensor, on: str) -> None:
    require_same(found.values, values, "the same values in any portions", on, tolerance=1e-4)
    require_same(found.main, main, "the same main values in any portions", on, tolerance=1e-4)
