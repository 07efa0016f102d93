"""The loss with a term of supervised fine-tuning."""

from __future__ import annotations

import torch
from torch import tensor
from torch.testing import assert_close

from moft.testing import check_loss
from moft_losses.listnet import ListNet
from moft_losses.with_sft import WithSFT

LABELS = tensor([[1.0, 0.0, 0.5]])
REWARDS = tensor([[0.2, -0.4, 1.0]])
ALL = torch.ones(1, 3, dtype=torch.bool)


def test_it_keeps_the_contract():
    check_loss(WithSFT(loss=ListNet()))


def test_it_adds_minus_the_reward_that_the_labels_expect():
    expected = ListNet()(REWARDS, LABELS, ALL) - 0.3 * ((2 * LABELS).softmax(-1) * REWARDS).sum(-1)
    assert_close(WithSFT(loss=ListNet(), weight=0.3, sharpness=2.0)(REWARDS, LABELS, ALL), expected)


def test_weight_zero_is_the_loss_alone():
    assert_close(WithSFT(loss=ListNet(), weight=0.0)(REWARDS, LABELS, ALL), ListNet()(REWARDS, LABELS, ALL))


def test_a_common_fall_of_all_rewards_costs_something():
    loss = WithSFT(loss=ListNet(), weight=0.1)
    assert_close(loss(REWARDS - 1, LABELS, ALL) - loss(REWARDS, LABELS, ALL), tensor([0.1]))


def test_a_list_of_equal_labels_adds_nothing():
    flat = torch.ones(1, 3)
    assert_close(WithSFT(loss=ListNet())(REWARDS, flat, ALL), ListNet()(REWARDS, flat, ALL))
