"""Scores several lists at a time, each at a tradeoff of its own, from arrays in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft.errors import DataError
from moft.interfaces import ArrayReader, Policy
from moft.run.policy.list_scorer import checked_rows
from moft.run.policy.score import scores_by_list
from moft.types import Batch, Batches, Tradeoff


class BatchScorer:
    """A policy that scores lists together, each at its own weights and dial; made by `run.batch_scorer`.

    The scores are, to the bit, those that `run.scores` gives a file with the same lists in the same order. In another batch, they
    differ by the rounding of 32-bit numbers.

    Attributes:
        features: names of the columns of an array, in order.
        categories: by name of a column of categories, what the codes 0, 1, ... stand for; the column holds these codes, and any
            other number for a category that training did not have.
        base_scores: name of the column with the scores of a base model that is outside; None where it is inside.

    Args:
        reader: of the task.
        policy: gives the scores.
    """

    features: tuple[str, ...]
    categories: Mapping[str, tuple[str | int, ...]]
    base_scores: str | None

    def __init__(self, reader: ArrayReader, policy: Policy) -> None:
        self.features, self.categories, self.base_scores = reader.features, reader.categories, reader.base_scores
        self._reader, self._policy = reader, policy.eval()

    def __call__(self, lists: Sequence[NDArray[np.floating]], tradeoff: Tradeoff) -> list[NDArray[np.float32]]:
        """`[list]` for each list, the scores of its items.

        Args:
            lists: `[list, features]` each, at least one row, the columns that the attribute `features` names; NaN where one is
                missing.
            tradeoff: one row for all lists, or one for each.

        Raises:
            DataError: one is no such array, or has an infinite number.
            RunError: a score is not finite.
        """
        if not lists:
            return []
        rows = [self.checked(features) for features in lists]
        batches = self._one_by_one(rows) if self._reader.read_lists is None else self._reader.read_lists(rows)
        return [np.array(scores, dtype=np.float32) for scores in scores_by_list(self._policy, batches, tradeoff)]

    def checked(self, features: object) -> NDArray[np.float32]:
        """The rows of one list, `[list, features]`.

        Raises:
            DataError: it is no such array, has no row, or has an infinite number.
        """
        rows = checked_rows(features, self.features)
        if not len(rows):
            raise DataError("a list without rows has no scores; give at least one row.")
        return rows

    def _one_by_one(self, lists: Sequence[NDArray[np.float32]]) -> Batches:
        """Each list as a batch of its own."""

        def load(chosen: Tensor) -> Batch:
            inputs, reference = self._reader.read(lists[int(chosen[0])])
            zeros = torch.zeros_like(reference)
            items = torch.ones_like(reference, dtype=torch.bool)
            none = zeros.unsqueeze(-1)  # no label is read
            return Batch(inputs, none, none > 0, reference, items, zeros, chosen.to(reference.device))

        return Batches([torch.tensor([index]) for index in range(len(lists))], load)
