"""The squared hinge loss."""

import torch
from moft_squared_hinge import plugin
from moft_squared_hinge.loss import SquaredHinge

from moft.testing import check_loss, check_plugin


def test_contract():
    check_plugin(plugin)
    check_loss(SquaredHinge())


def test_a_tie_costs_the_square_of_the_margin():
    rewards, labels = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
    assert SquaredHinge(margin=3.0)(rewards, labels, labels >= 0).tolist() == [3.0**2]
