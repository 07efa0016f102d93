"""Scores every item of a dataset with a policy, in the order of the data."""

from __future__ import annotations

import torch

from moft.interfaces import Policy
from moft.interfaces.policy import finite_scores
from moft.types import Batches, Tradeoff


def scores_of(policy: Policy, batches: Batches, tradeoff: Tradeoff) -> list[float]:
    """The score of every item, list by list.

    Args:
        policy: gives the scores.
        batches: the lists, in any order.
        tradeoff: one row for all lists, or one for each.

    Raises:
        RunError: a score is not finite.
    """
    return [score for scores in scores_by_list(policy, batches, tradeoff) for score in scores]


def scores_by_list(policy: Policy, batches: Batches, tradeoff: Tradeoff) -> list[list[float]]:
    """The scores of the items of each list; arguments and errors are those of `scores_of`."""
    by_list: dict[int, list[float]] = {}
    rows = tradeoff.expand(batches.lists)
    with torch.no_grad():
        for batch in batches:
            own = rows.select(batch.lists.cpu()).to(batch.reference.device)
            for index, scores, items in zip(batch.lists.tolist(), finite_scores(policy, batch, own), batch.items, strict=True):
                by_list[index] = scores[items].tolist()
    return [by_list[index] for index in sorted(by_list)]
