"""Tests what the plugin offers, the contract of losses, and the formula."""

import torch
from moft_hinge import plugin
from moft_hinge.loss import Hinge

from moft.testing import check_loss, check_plugin


def test_the_plugin_meets_its_contract():
    check_plugin(plugin)


def test_the_loss_meets_its_contract():
    check_loss(Hinge())


def test_a_pair_closer_than_the_margin_costs_the_difference():
    rewards, labels = torch.tensor([[0.25, 0.0]]), torch.tensor([[1.0, 0.0]])
    assert Hinge(margin=1.0)(rewards, labels, labels >= 0).item() == 1.0 - 0.25
