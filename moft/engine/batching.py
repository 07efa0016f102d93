"""Batches of lists of similar length under a budget of items, so that little is padding."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def length_grouped(lengths: Tensor, budget: int, generator: Generator | None = None, *, jitter: float = 0.1) -> list[Tensor]:
    """A plan of batches: lists sorted by length and cut where the padded size would pass the budget.

    Args:
        lengths: `[lists]` int64, items of each list.
        budget: the most items of a batch, padding included; a list longer than that is a batch of its own.
        generator: perturbs the lengths before sorting and shuffles the batches; None gives the plain order, longest last.
        jitter: largest relative perturbation; more mixes lists better and pads more.

    Returns: for each batch `[k]` int64, the lists it holds; every list once.
    """
    if len(lengths) == 0:
        return []
    keys = lengths.double()
    if generator is not None:
        keys = keys * (1 + jitter * (2 * torch.rand(len(lengths), generator=generator, dtype=torch.float64) - 1))
    order = keys.argsort(stable=True)
    sizes = lengths[order].tolist()
    cuts, start, longest = [], 0, 0
    for position, size in enumerate(sizes):
        longest = max(longest, size)
        if position > start and longest * (position - start + 1) > budget:
            cuts.append(position - start)
            start, longest = position, size
    plan = list(torch.split(order, [*cuts, len(sizes) - start]))
    if generator is None:
        return plan
    return [plan[index] for index in torch.randperm(len(plan), generator=generator).tolist()]


def padding_share(lengths: Tensor, plan: list[Tensor]) -> float:
    """Share of a plan's padded items that are padding, 0 to 1."""
    padded = sum(int(lengths[lists].max()) * len(lists) for lists in plan)
    return 1 - int(lengths.sum()) / padded if padded else 0.0
