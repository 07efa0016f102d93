"""Linear scalarisation keeps the contract and is the weighted sum."""

from __future__ import annotations

import torch
from torch import tensor
from torch.testing import assert_close

from moft.testing import check_scalarizer
from moft_scalarizers.linear import Linear


def test_linear_keeps_the_contract():
    check_scalarizer(Linear())


def test_linear_is_the_weighted_sum():
    assert_close(Linear()(tensor([[2.0, 5.0]]), tensor([[0.3, 0.7]])), tensor([0.3 * 2 + 0.7 * 5]))


def test_its_shares_are_the_weights():
    weights = torch.tensor([[0.3, 0.7], [1.0, 0.0]])
    assert Linear().loss_shares(weights).equal(weights)


def test_a_vertex_is_that_objective_alone():
    losses = torch.rand(3, 3, generator=torch.Generator().manual_seed(0))
    assert_close(Linear()(losses, torch.eye(3)), losses.diagonal())
