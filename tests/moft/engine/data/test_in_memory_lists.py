"""Lists in memory as batches, and the small network for them."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft import ShapeError
from moft.api import Injection, ItemNetwork, batches_of
from moft.testing import check_model

CPU = torch.device("cpu")
NAN = float("nan")


def test_lists_are_padded_and_what_is_not_given_is_zero():
    lists = [
        {"features": [[1.0, 2.0]], "labels": [[3.0]]},
        {"features": [[4.0, 5.0], [6.0, 7.0]], "labels": [[8.0], [NAN]], "reference": [0.5, 1.5], "main": [1.0, 2.0]},
    ]
    batches = batches_of(lists, device=CPU)
    batch = batches.load(torch.tensor([1, 0]))
    assert batch.inputs["features"].tolist() == [[[4.0, 5.0], [6.0, 7.0]], [[1.0, 2.0], [0.0, 0.0]]]
    assert batch.items.tolist() == [[True, True], [True, False]]
    assert batch.labels.tolist() == [[[8.0], [0.0]], [[3.0], [0.0]]]
    assert batch.mask.tolist() == [[[True], [False]], [[True], [False]]]
    assert batch.reference.tolist() == [[0.5, 1.5], [0.0, 0.0]]
    assert batch.main.tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert batch.lists.tolist() == [1, 0]


def test_every_list_stands_in_one_batch_within_the_budget():
    lists = [{"features": torch.ones(1 + n % 5, 2), "labels": torch.ones(1 + n % 5, 3)} for n in range(40)]
    batches = batches_of(lists, torch.Generator().manual_seed(0), budget=12, device=CPU)
    assert sorted(index for plan in batches.plan for index in plan.tolist()) == list(range(40))
    assert all(batch.items.numel() <= 12 for batch in batches)


@pytest.mark.parametrize(
    ("one", "told"),
    [
        ({}, "list 0 has no features and no labels"),
        ({"features": [[1.0]]}, "list 0 has no labels"),
        ({"features": [[1.0]], "labels": [1.0]}, r"list 0: labels must be \[1, ...\], got \[1\]"),
        ({"features": [[1.0]], "labels": [[1.0]], "reference": [1.0, 2.0]}, r"list 0: reference must be \[1\], got \[2\]"),
    ],
)
def test_a_list_of_the_wrong_shape_is_told_by_its_number(one, told):
    with pytest.raises(ShapeError, match=told):
        batches_of([one], device=CPU)


def test_the_network_of_items_keeps_the_contract_of_models_and_starts_at_the_reference():
    inputs = {"features": torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))}
    network = ItemNetwork(5, 2, width=8)
    check_model(network, inputs)
    assert_close(network(inputs, Injection()), torch.zeros(3, 4))
