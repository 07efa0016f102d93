"""Weights of items in losses: ones change nothing, and a better item's weight multiplies what it costs."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from moft.api import ListContext
from moft_losses.ipo import IPO
from moft_losses.lipo_lambda import LipoLambda
from moft_losses.listnet import ListNet
from moft_losses.pairwise_logistic import PairwiseLogistic
from moft_losses.plackett_luce import PlackettLuce

LOSSES = [ListNet(), ListNet(target="sum"), PairwiseLogistic(), LipoLambda(), IPO(), PlackettLuce()]


def weighted(loss, rewards, labels, mask, weights):
    return loss(rewards, labels, mask, ListContext(rewards, {}, weights))


@pytest.fixture
def lists():
    draws = torch.Generator().manual_seed(0)
    mask = torch.arange(6) < torch.tensor([6, 3, 1, 0]).unsqueeze(1)
    return torch.randn(4, 6, generator=draws), torch.randint(0, 3, (4, 6), generator=draws).float(), mask


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_weights_of_one_change_nothing_and_what_is_masked_has_no_weight(loss, lists):
    mask = lists[2]
    assert loss.asks.item_weights
    assert_close(weighted(loss, *lists, torch.ones(4, 6)), loss(*lists))
    odd = torch.where(mask, 1.0, 7.0)
    assert_close(weighted(loss, *lists, odd), loss(*lists))


@pytest.mark.parametrize("loss", [PairwiseLogistic(), LipoLambda(), IPO(), PlackettLuce(top=1)], ids=repr)
def test_one_relevant_item_costs_in_proportion_to_its_weight(loss, lists):
    rewards, _, _ = lists
    labels = torch.zeros(4, 6)
    labels[:, 2] = 1
    mask = torch.ones(4, 6, dtype=torch.bool)
    weights = 1 + 3 * labels
    assert_close(weighted(loss, rewards, labels, mask, weights), 4 * loss(rewards, labels, mask))


def test_of_two_clicks_listnet_aims_at_the_one_that_was_rarely_seen():
    labels, mask = torch.tensor([1.0, 1.0, 0.0]), torch.ones(3, dtype=torch.bool)
    rewards = torch.zeros(3, requires_grad=True)
    cost = weighted(ListNet(target="sum"), rewards, labels, mask, torch.tensor([1.0, 4.0, 9.0]))
    (slope,) = torch.autograd.grad(cost, rewards)
    assert_close(slope, torch.full((3,), 1 / 3) - torch.tensor([0.2, 0.8, 0.0]))
