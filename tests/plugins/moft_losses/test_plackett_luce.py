"""Plackett-Luce keeps the contract of losses and is the likelihood of a ranking."""

from __future__ import annotations

from itertools import permutations

import torch
from torch import tensor
from torch.testing import assert_close

from moft.testing import check_loss
from moft_losses.plackett_luce import PlackettLuce


def _everything(labels):
    return torch.ones_like(labels, dtype=torch.bool)


def test_plackett_luce_keeps_the_contract():
    check_loss(PlackettLuce())
    check_loss(PlackettLuce(top=1))
    check_loss(PlackettLuce(top=3))


def test_it_is_the_product_of_softmaxes_over_the_items_still_left():
    rewards, labels = tensor([[0.5, -1.0, 2.0]]), tensor([[3.0, 1.0, 2.0]])
    first = rewards[0].softmax(0)[0]
    second = rewards[0, 1:].softmax(0)[1]
    assert_close(PlackettLuce()(rewards, labels, _everything(labels)), -(first * second).log().reshape(1))


def test_only_the_first_places_count_under_top():
    rewards, labels = tensor([[0.5, -1.0, 2.0]]), tensor([[3.0, 1.0, 2.0]])
    assert_close(PlackettLuce(top=1)(rewards, labels, _everything(labels)), -rewards.log_softmax(-1)[:, 0])


def test_the_likelihoods_of_all_rankings_sum_to_one():
    rewards = tensor([[0.5, -1.0, 2.0, 0.1]])
    for top in (None, 4):
        costs = [PlackettLuce(top=top)(rewards, tensor([order]).float(), rewards > -9) for order in permutations(range(4))]
        assert_close(torch.cat(costs).neg().exp().sum(), tensor(1.0))


def test_ties_keep_the_order_of_the_list():
    length = 100  # short lists are sorted stably by any algorithm
    rewards = torch.randn(1, length, generator=torch.Generator().manual_seed(0))
    places = torch.arange(length).unsqueeze(0)
    tied = (places % 3).float()
    ordered = tied - places / (2 * length)
    assert_close(PlackettLuce()(rewards, tied, _everything(tied)), PlackettLuce()(rewards, ordered, _everything(tied)))


def test_a_list_of_equal_labels_ranks_nothing():
    rewards = tensor([[0.5, -1.0, 2.0]]).requires_grad_()
    cost = PlackettLuce()(rewards, torch.ones(1, 3), torch.ones(1, 3, dtype=torch.bool))
    cost.sum().backward()
    assert cost == 0
    assert (rewards.grad == 0).all()


def test_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(3, 5, generator=generator, dtype=torch.float64).requires_grad_()
    labels, mask = torch.rand(3, 5, generator=generator).double(), torch.rand(3, 5, generator=generator) < 0.8
    assert torch.autograd.gradcheck(lambda free: PlackettLuce()(free, labels, mask), rewards)
