"""The losses of ordered pairs keep the contract of losses and are their formulas."""

from __future__ import annotations

import pytest
import torch
from torch import tensor
from torch.testing import assert_close

from moft.testing import check_loss
from moft_losses.ipo import IPO
from moft_losses.pairwise_logistic import PairwiseLogistic

REWARDS, LABELS = tensor([[2.0, 0.5, -1.0]]), tensor([[1.0, 0.0, 1.0]])
GAPS = tensor([2.0 - 0.5, -1.0 - 0.5])  # the ordered pairs: the first above the second, the third above the second
ALL = torch.ones(1, 3, dtype=torch.bool)


@pytest.mark.parametrize("loss", [PairwiseLogistic(), IPO(), IPO(margin=3.0)])
def test_losses_of_pairs_keep_the_contract(loss):
    check_loss(loss)


def test_pairwise_logistic_is_the_mean_of_the_log_losses():
    assert_close(PairwiseLogistic()(REWARDS, LABELS, ALL), (1 + (-GAPS).exp()).log().mean().reshape(1))


def test_ipo_is_the_mean_square_distance_from_the_margin():
    assert_close(IPO(margin=0.7)(REWARDS, LABELS, ALL), (GAPS - 0.7).square().mean().reshape(1))


@pytest.mark.parametrize("loss", [PairwiseLogistic(), IPO()])
def test_a_list_of_equal_labels_costs_zero_without_gradient(loss):
    rewards = REWARDS.clone().requires_grad_()
    cost = loss(rewards, torch.ones(1, 3), ALL)
    cost.sum().backward()
    assert cost == 0
    assert (rewards.grad == 0).all()


def test_ipo_on_rewards_is_the_published_loss_times_the_square_of_the_beta():
    beta, tau, ratio = 0.3, 0.2, tensor([[0.8, -0.4]])
    published = ((ratio[:, 0] - ratio[:, 1]) - 1 / (2 * tau)).square()
    found = IPO(margin=beta / (2 * tau))(beta * ratio, tensor([[1.0, 0.0]]), ALL[:, :2])
    assert_close(found, beta**2 * published)


def test_equal_settings_compare_equal():
    assert IPO(margin=1.0) == IPO(margin=1.0)
    assert IPO(margin=1.0) != IPO()
    assert PairwiseLogistic() == PairwiseLogistic()
