"""Scores every item of a dataset with a policy, in the order of the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from moft.interfaces import Policy
from moft.interfaces.policy import finite_scores
from moft.types import Batches, Tradeoff


class Scores(list[float]):
    """The score of every item, in the order of the data.

    Args:
        values: the scores.
        lists: the id of the list of each item, or its number from 1 where the data has no ids.
        items: the id of each item; empty where the data has none.
    """

    def __init__(self, values: Iterable[float], lists: Sequence[str | int] = (), items: Sequence[str | int] = ()) -> None:
        super().__init__(values)
        self.lists, self.items = list(lists), list(items)


def scores_of(policy: Policy, batches: Batches, tradeoff: Tradeoff) -> Scores:
    """The score of every item, list by list, with ids.

    Args:
        policy: gives the scores.
        batches: the lists, in any order.
        tradeoff: one row for all lists, or one for each.

    Raises:
        RunError: a score is not finite.
    """
    by_list = scores_by_list(policy, batches, tradeoff)
    names = batches.names or range(1, len(by_list) + 1)
    lists = [name for name, scores in zip(names, by_list, strict=True) for _ in scores]
    return Scores((score for scores in by_list for score in scores), lists, batches.item_names)


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
