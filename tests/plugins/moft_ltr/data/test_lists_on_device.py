"""QueryIndex on the device: batches hold what the lists hold, whatever they are padded to."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from moft_ltr.data.features.feature_scaling import FeatureScaling
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.data.lists_on_device import ListStore

LENGTHS = torch.tensor([3, 1, 6, 2, 4])


def _part(features):
    """Queries of a file that has these features."""
    return SimpleNamespace(
        data=SimpleNamespace(features=features), items=np.arange(len(features)), offsets=np.array([0, len(features)])
    )


@pytest.fixture
def store():
    def made(**changes):
        items = int(LENGTHS.sum())
        parts = {
            "parts": [_part(np.arange(items * 3.0, dtype=np.float32).reshape(items, 3))],
            "columns": np.array([0, 2]),
            "network": NetworkInputs(
                FeatureScaling(np.zeros(2, dtype=bool), np.full(2, 1.0), np.full(2, 100.0)), np.zeros(0, dtype=np.int64), {}
            ),
            "inputs": {"features", "table"},
            "labels": torch.arange(items * 3.0).reshape(items, 3) + 100,
            "labelled": True,
            "main": torch.arange(items) + 200.0,
            "reference": torch.arange(items) + 300.0,
            "starts": LENGTHS.cumsum(0) - LENGTHS,
            "lengths": LENGTHS,
            "qids": torch.arange(5) * 7,
        }
        return ListStore(**{**parts, **changes})

    return made


def test_a_batch_holds_its_lists_in_order(store):
    own = store()
    batch = own.batch(torch.tensor([3, 2, 1]))
    assert batch.items.sum(1).tolist() == [2, 6, 1]
    assert batch.items.shape == (3, 6)
    assert batch.lists.tolist() == [3, 2, 1]
    for row, index in enumerate([3, 2, 1]):
        items = slice(int(own.starts[index]), int(own.starts[index] + own.lengths[index]))
        inside = batch.items[row]
        assert inside[: own.lengths[index]].all()
        assert batch.inputs["features"][row][inside].equal(own.features[items])
        torch.testing.assert_close(batch.inputs["table"][row][inside], own.features[items] * 100 + 1)
        assert batch.inputs["items"].equal(batch.items)
        assert batch.labels[row][inside].equal(own.labels[items])
        assert batch.main[row][inside].equal(own.main[items])
        assert batch.reference[row][inside].equal(own.reference[items])
        assert batch.mask[row].equal(inside.unsqueeze(-1).expand(-1, 3))


def test_padding_is_finite_and_of_no_weight(store):
    batch = store().batch(torch.tensor([1, 2]))
    outside = ~batch.items
    assert (batch.reference[outside] == 0).all()
    assert (batch.main[outside] == 0).all()
    assert not batch.mask[outside].any()
    assert batch.inputs["features"].isfinite().all()


def test_lists_that_are_only_scored_are_not_judged(store):
    batch = store(labelled=False).batch(torch.arange(5))
    assert not batch.mask.any()
    assert batch.items.sum() == LENGTHS.sum()


@pytest.mark.parametrize("budget", [1, 6, 12, 1000])
def test_a_pass_holds_every_list_once_within_the_budget(budget, store):
    for generator in (None, torch.Generator().manual_seed(0)):
        batches = list(store().batches(budget, generator))
        assert sorted(index for batch in batches for index in batch.lists.tolist()) == list(range(5))
        assert all(batch.items.numel() <= budget or len(batch) == 1 for batch in batches)


def test_values_of_batches_are_put_back_in_the_order_of_the_file(store):
    own = store()
    found = torch.full((16,), -1.0)
    for batch in own.batches(7, torch.Generator().manual_seed(1)):
        own.flat(batch.main, batch, found)
    assert found.equal(own.main)
