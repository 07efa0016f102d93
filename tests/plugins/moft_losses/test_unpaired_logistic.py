"""The logistic loss of single items, by its formula."""

from __future__ import annotations

import math

import pytest
import torch

from moft.testing import check_loss
from moft_losses.unpaired_logistic import UnpairedLogistic


def softplus(value):
    return math.log1p(math.exp(value))


def test_each_item_costs_its_own_logistic_loss():
    rewards = torch.tensor([[0.3, -1.2, 2.0, 9.0], [0.7, 0.0, 0.0, 0.0]], dtype=torch.float64)
    labels = torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    found = UnpairedLogistic(good=2.0, bad=0.5)(rewards, labels, mask).tolist()
    first = (2 * softplus(-0.3) + 0.5 * softplus(-1.2) + 0.5 * softplus(2.0)) / 3
    assert found == pytest.approx([first, 2 * softplus(-0.7)])


def test_a_factor_is_as_exact_as_the_rewards():
    cost = UnpairedLogistic(good=0.1)(torch.tensor([0.3], dtype=torch.float64), torch.ones(1), torch.ones(1, dtype=torch.bool))
    assert float(cost) == pytest.approx(0.1 * softplus(-0.3), rel=1e-14)


def test_the_factors_are_one_by_default_and_it_keeps_its_contract():
    check_loss(UnpairedLogistic())
    cost = UnpairedLogistic()(torch.zeros(3), torch.tensor([1.0, 1.0, 1.0]), torch.ones(3, dtype=torch.bool))
    assert float(cost) == pytest.approx(math.log(2))
