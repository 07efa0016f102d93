"""The contract of evaluators."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft.interfaces import Evaluator, Steered
from moft.testing.contracts.assertions import require, require_kind, require_same
from moft.types import Batch, ListValues


def check_evaluator(evaluator: Evaluator, steered: Steered, batches: Sequence[Batch]) -> None:
    """Checks the contract of evaluators.

    It names its metric. It gives a value for every tradeoff, list and objective, without infinities and without gradient, with
    NaN for the same lists at every tradeoff. The values are the same however lists and tradeoffs are batched.

    Args:
        evaluator: to check.
        steered: a policy on two tradeoffs or more.
        batches: of at least two lists in all.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    metric = getattr(evaluator, "metric", None)
    require(isinstance(metric, str) and bool(metric), "`metric`, a text that names the metric", repr(metric), "the evaluator")
    n, m = len(steered.tradeoff), batches[0].labels.shape[-1]
    expected = torch.cat([batch.lists for batch in batches]).sort().values
    require(
        n > 1 and len(expected) > 1, "at least two tradeoffs and two lists to check with", (n, len(expected)), "what was given"
    )
    before = [(batch.labels.clone(), batch.main.clone()) for batch in batches]
    whole = evaluator(steered, batches)
    on = f"{n} tradeoffs, {len(expected)} lists"
    require_kind(whole, ListValues, "ListValues", on)
    untouched = all(
        torch.equal(batch.labels, labels) and torch.equal(batch.main, main)
        for batch, (labels, main) in zip(batches, before, strict=True)
    )
    require(untouched, "labels are not changed", "some were changed in place", on)
    for name, tensor, shape in (
        ("values", whole.values, (n, len(expected), m)),
        ("main", whole.main, (n, len(expected))),
        ("lists", whole.lists, (len(expected),)),
    ):
        require(tuple(tensor.shape) == shape, f"{name} of shape {list(shape)}", list(tensor.shape), on)
    measured = whole.ordered()
    require(torch.equal(measured.lists.cpu(), expected.cpu()), "every list occurs once", measured.lists.tolist(), on)
    for name, tensor in (("values", measured.values), ("main", measured.main)):
        require(not tensor.requires_grad, f"{name} without gradient", "values that require one", on)
        require(not bool(tensor.isinf().any()), f"no infinite {name}", "an infinity", on)
        unlabelled = tensor.isnan()
        require(
            bool((unlabelled == unlabelled[:1]).all()),
            f"NaN in {name} for the same lists at every tradeoff",
            "different lists",
            on,
        )
    _check_parts(evaluator, steered, batches, measured)


def _check_parts(evaluator: Evaluator, steered: Steered, batches: Sequence[Batch], measured: ListValues) -> None:
    """The same lists and tradeoffs, batched in other ways."""
    alone = [batch.select(torch.tensor([row], device=batch.reference.device)) for batch in batches for row in range(len(batch))]
    _check_same(evaluator(steered, alone).ordered(), measured.values, measured.main, "list by list")
    _check_same(evaluator(steered, list(batches)[::-1]).ordered(), measured.values, measured.main, "batches in reverse order")
    for index in range(len(steered.tradeoff)):
        row = torch.tensor([index], device=steered.tradeoff.weights.device)
        one = evaluator(Steered(steered.policy, steered.tradeoff.select(row)), batches).ordered()
        one_row = slice(index, index + 1)
        _check_same(one, measured.values[one_row], measured.main[one_row], f"tradeoff {index} alone")


def _check_same(found: ListValues, values: Tensor, main: Tensor, on: str) -> None:
    require_same(found.values, values, "the same values however lists and tradeoffs are batched", on, tolerance=1e-4)
    require_same(found.main, main, "the same main values however lists and tradeoffs are batched", on, tolerance=1e-4)
