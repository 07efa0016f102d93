"""Agreement of labels and gradients within lists, against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from moft.engine.conflict.list_conflicts import ListConflicts, label_agreement, list_conflicts
from moft.engine.data.in_memory_lists import batches_of
from moft.engine.losses.objective_losses import ObjectiveLosses
from moft.types import Objective


class Dot:
    """Minus the sum of label times reward, whose gradient is minus the labels."""

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        return -(labels * rewards * mask).sum(-1)


def found(*lists: list[list[float]]) -> ListConflicts:
    objectives = [Objective(name) for name, _ in zip("abc", lists[0][0], strict=False)]
    rows = [{"features": torch.zeros(len(labels), 1), "labels": labels} for labels in lists]
    return list_conflicts(ObjectiveLosses(objectives, Dot()), batches_of(rows, device=torch.device("cpu")))


def test_the_cosine_is_that_of_the_gradients_at_the_reference() -> None:
    conflicts = found([[3, 4], [4, -3], [0, 5]])
    assert conflicts.cosine[0, 0, 1] == pytest.approx((12 - 12 + 0) / (5 * 50**0.5), abs=1e-7)
    assert found([[1, -2], [-1, 2]]).cosine[0, 0, 1] == pytest.approx(-1)


def test_a_list_conflicts_where_gradients_or_orders_oppose() -> None:
    opposed, alike, one_tied = [[2, 0], [0, 2], [1, 0]], [[2, 3], [0, 1]], [[2, 5], [0, 5]]
    conflicts = found(opposed, alike, one_tied)
    assert conflicts.lists.tolist() == [[3, 2], [2, 2]]
    assert conflicts.opposed_labels()[0, 1] == 0.5
    assert conflicts.opposed_gradients()[0, 1] == 0  # 0 / (2 x 5^.5) is no conflict
    assert found([[2, -1], [0, 2], [1, 0]]).opposed_gradients()[0, 1] == 1
    cosines = np.sort(conflicts.cosine[:, 0, 1])
    assert cosines[1] == pytest.approx(6 / (2 * 10**0.5))
    assert np.isnan(cosines[2])  # a label that is the same everywhere wants nothing


def test_means_leave_out_lists_in_which_a_label_orders_nothing() -> None:
    conflicts = found([[1, 0], [0, 1]], [[1, 7], [0, 7]])
    assert conflicts.mean_tau()[0, 1] == -1
    assert conflicts.mean_cosine()[0, 1] == 0


def test_without_such_a_list_there_is_none_to_count() -> None:
    conflicts = found([[1, np.nan], [0, np.nan]], [[np.nan, 1], [np.nan, 0]])
    assert conflicts.lists[0, 1] == 0
    assert conflicts.mean_tau()[0, 1] == conflicts.opposed_labels()[0, 1] == conflicts.opposed_gradients()[0, 1] == 0


def test_agreement_counts_pairs() -> None:
    tau, ordered = label_agreement(np.array([[1.0, 3], [2, 2], [2, 1]]))
    assert tau[0, 1] == pytest.approx(-2 / (2 * 3) ** 0.5)
    assert ordered.tolist() == [pytest.approx(2 / 3), 1]
