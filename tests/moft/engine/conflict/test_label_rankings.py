"""What rankings by labels have of every objective, against lists small enough to see it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from moft.engine.conflict.label_rankings import RankingValues, ranking_values
from moft.engine.data.in_memory_lists import batches_of
from moft.interfaces import Steered
from moft.types import Batch, ListValues


class Top:
    """The label of the item ranked first, in the mean over items of the same score; NaN where no label is above 0."""

    metric = "top"

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        values, lists = [], []
        for batch in batches:
            scores = steered(batch).masked_fill(~batch.items, -torch.inf)  # [n, batch, list]
            first = (scores == scores.amax(-1, keepdim=True)).double()
            labels = batch.labels.masked_fill(~batch.mask, 0.0).double()
            top = torch.einsum("nbl,blm->nbm", first / first.sum(-1, keepdim=True), labels)
            values.append(top.masked_fill((labels <= 0).all(1), torch.nan))
            lists.append(batch.lists)
        whole = torch.cat(values, dim=1)
        return ListValues(whole, whole[..., 0], torch.cat(lists), {})


def labels_of(batch: Batch) -> Tensor:
    return batch.labels.double()


def measured(*lists: list[list[float]], references: list[list[float]] | None = None, trained: int = 2) -> RankingValues:
    rows = [{"features": torch.zeros(len(labels), 1), "labels": labels} for labels in lists]
    for row, reference in zip(rows, references or (), strict=False):
        row["reference"] = torch.tensor(reference)
    m = len(lists[0][0])
    batches = batches_of(rows, device=torch.device("cpu"))
    return ranking_values(Top(), batches, labels_of, [index < trained for index in range(m)], has_base=references is not None)


def test_each_objective_has_its_best_and_the_others_what_is_left() -> None:
    values = measured([[1, 0], [0, 1], [0.7, 0.7], [0, 0]])
    assert values.ideal.tolist() == [[1, 0], [0, 1]]
    assert values.random.tolist() == pytest.approx([1.7 / 4] * 2)
    assert values.middle.tolist() == pytest.approx([0.7, 0.7])
    assert values.base is None
    assert values.kept()[0].tolist() == pytest.approx([1, -1.7 / 2.3])
    assert values.kept_in_the_middle().tolist() == pytest.approx([(0.7 - 0.425) / 0.575] * 2)


def test_items_that_are_equal_for_one_are_in_the_best_order_for_the_rest() -> None:
    assert measured([[1, 0], [1, 1], [0, 1]]).ideal.tolist() == [[1, 1], [1, 1]]
    assert measured([[1, 0.2, 0.2], [1, 0.5, 0], [1, 0, 0.1]], trained=3).ideal[0].tolist() == pytest.approx([1, 0.5, 0])


def test_the_middle_is_that_of_the_trained_objectives() -> None:
    values = measured([[1, 0, 0], [0, 0.9, 0], [0.6, 0.6, 0], [0, 0, 1]])
    assert values.middle.tolist() == pytest.approx([0.6, 0.6, 0])
    assert values.ideal[2].tolist() == [0, 0, 1]


def test_base_scores_are_measured_in_their_order() -> None:
    values = measured([[1, 0], [0, 1]], [[0, 1], [1, 0]], references=[[2.0, 1], [0, 5]])
    assert values.base is not None
    assert values.base.tolist() == [1, 0]


def test_lists_that_do_not_count_are_left_out_of_the_mean() -> None:
    values = measured([[1, 0], [0, 0]], [[0.5, 1], [0, 0.5]])
    assert values.ideal.tolist() == [[0.75, 1], [0.75, 1]]
    assert values.lists == 2
    assert values.error == pytest.approx(0.25)


def test_an_objective_without_a_list_is_unknown() -> None:
    values = measured([[1, float("nan")], [0, float("nan")]])
    assert values.kept()[0].tolist()[0] == 1
    assert str(values.kept()[0, 1]) == "nan"
