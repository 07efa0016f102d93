"""Batches of lists of similar length under a budget of items, so that there is little padding."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

_BATCH_COST = 64  # fixed cost of a batch, in items: a further batch has to save more padding than that
_SHARE = 32  # and one over this share of the budget, so that a larger budget makes larger batches


def length_grouped(lengths: Tensor, budget: int, generator: Generator | None = None, *, jitter: float = 0.05) -> list[Tensor]:
    """A plan of batches: lists sorted by length and cut, within the budget, where padding and batches cost least.

    Args:
        lengths: `[lists]` int64, items of each list.
        budget: the most items of a batch, padding included; a list longer than that is a batch of its own. Batches are made
            smaller where that saves more padding than a further batch is worth.
        generator: perturbs the lengths before sorting and shuffles the batches; None keeps the sorted order, longest last.
        jitter: largest relative perturbation; more mixes lists better and pads more.

    Returns: for each batch `[k]` int64, the lists it holds; every list once.
    """
    if len(lengths) == 0:
        return []
    keys = lengths.double()
    if generator is not None:
        keys = keys * (1 + jitter * (2 * torch.rand(len(lengths), generator=generator, dtype=torch.float64) - 1))
    order = keys.argsort(stable=True)
    plan = list(torch.split(order, _cheapest_cuts(lengths[order].cpu().numpy(), budget)))
    if generator is None:
        return plan
    return [plan[index] for index in torch.randperm(len(plan), generator=generator).tolist()]


def padding_share(lengths: Tensor, plan: list[Tensor]) -> float:
    """Share of a plan's padded items that are padding, 0 to 1."""
    padded = sum(int(lengths[lists].max()) * len(lists) for lists in plan)
    return 1 - int(lengths.sum()) / padded if padded else 0.0


def _cheapest_cuts(sizes: NDArray[np.int64], budget: int) -> list[int]:
    """How many lists, in the order of `sizes`, each batch takes: the least padded items, with a price on every batch."""
    price = _BATCH_COST + budget / _SHARE
    cost = np.zeros(len(sizes) + 1)  # of the first lists, up to each place
    taken = np.zeros(len(sizes) + 1, dtype=np.int64)  # lists of the last batch there
    for end in range(1, len(sizes) + 1):
        most = min(end, max(1, budget // max(1, int(sizes[end - 1]))))
        longest = np.maximum.accumulate(sizes[end - most : end][::-1])
        padded = longest * np.arange(1, most + 1)  # [most], for batches of the last 1, 2, ... lists
        total = cost[end - most : end][::-1] + padded + price
        total[1:][padded[1:] > budget] = np.inf
        best = int(total.argmin())
        cost[end], taken[end] = total[best], best + 1
    cuts, place = [], len(sizes)
    while place:
        cuts.append(int(taken[place]))
        place -= cuts[-1]
    return cuts[::-1]
