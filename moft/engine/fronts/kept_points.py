"""Measures a policy block by block, so that measured points can be kept as they come and an interruption loses little."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import torch

from moft.engine.checks.return_values import checked_values
from moft.interfaces import Evaluator, LongEvaluator, Policy, Steered
from moft.types import Batches, ListValues, Tradeoff

UNSEEN = 10.0
"""Seconds after which the progress of an evaluator is reported that does not report its own."""


class KeptPoints(Protocol):
    """Measured points that outlive the process; each is found again by its exact weights and betas."""

    def find(self, rows: Tradeoff) -> ListValues | None:
        """The values of these tradeoffs, or None if one of them was not kept."""
        ...

    def keep(self, rows: Tradeoff, values: ListValues, seconds: float) -> None:
        """Keeps the values of these tradeoffs, which took so long to measure."""
        ...


def measured_by_blocks(
    policy: Policy,
    lists: Batches,
    evaluator: Evaluator,
    tradeoffs: Tradeoff,
    kept: KeptPoints,
    on_progress: Callable[[int], None] | None,
) -> ListValues:
    """The values of a policy at every tradeoff; blocks that are kept are not measured again.

    A block is one point for a `LongEvaluator`, and else as many as share a forward pass, so that blocks cost no time.

    Args:
        policy: in eval mode.
        lists: of the split.
        evaluator: the metric.
        tradeoffs: n rows.
        kept: where blocks are looked up and kept.
        on_progress: called with the number of tradeoffs that are done: at the start, and after each block that was measured. Of
            other evaluators than `LongEvaluator`, only once they have taken ten seconds.
    """
    n, m = len(tradeoffs), tradeoffs.weights.shape[1]
    is_long = isinstance(evaluator, LongEvaluator)
    size, parts, began = 1 if is_long else _points_of_a_pass(lists), list[ListValues](), time.monotonic()
    blocks = [tradeoffs.select(rows) for rows in torch.split(torch.arange(n), size)]
    found = [kept.find(block) for block in blocks]
    done = sum(len(block) for block, values in zip(blocks, found, strict=True) if values is not None)
    if on_progress is not None and is_long:
        on_progress(done)
    for block, earlier in zip(blocks, found, strict=True):
        values = earlier
        if values is None:
            start = time.monotonic()
            values = checked_values(evaluator, _values(evaluator, policy.steer(block), lists), len(block), m)
            kept.keep(block, values, time.monotonic() - start)
            done += len(block)
            if on_progress is not None and (is_long or time.monotonic() - began > UNSEEN):
                on_progress(done)
        parts.append(values)
    return joined(parts)


def joined(parts: list[ListValues]) -> ListValues:
    """Values of several blocks of tradeoffs on the same lists as one; further ones by name, as they are kept in no order."""
    first = parts[0]
    return ListValues(
        torch.cat([part.values for part in parts]),
        torch.cat([part.main for part in parts]),
        first.lists,
        {name: torch.cat([part.more[name] for part in parts]) for name in sorted(first.more)},
        first.main_name,
    )


def _values(evaluator: Evaluator, steered: Steered, lists: Batches) -> object:
    if isinstance(evaluator, LongEvaluator):
        return evaluator.measure(steered, lists, lambda done: None)
    return evaluator(steered, lists)


def _points_of_a_pass(lists: Batches) -> int:
    """How many tradeoffs of the first batch fit into one forward pass."""
    first = next(iter(lists), None)
    return 1 if first is None else max(1, first.rows // max(1, len(first)))
