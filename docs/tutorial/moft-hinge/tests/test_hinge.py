"""The loss keeps its contract, and its formula."""

import torch
from moft_hinge import plugin
from moft_hinge.loss import Hinge

from moft.testing import check_loss, check_plugin


def test_it_is_offered_as_it_should_be():
    check_plugin(plugin)


def test_it_keeps_the_contract_of_losses():
    check_loss(Hinge())


def test_a_pair_apart_by_less_than_the_margin_costs_the_rest():
    rewards, labels = torch.tensor([[0.25, 0.0]]), torch.tensor([[1.0, 0.0]])
    assert Hinge(margin=1.0)(rewards, labels, labels >= 0).item() == 1.0 - 0.25
