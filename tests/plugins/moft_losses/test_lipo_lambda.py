"""LiPO-lambda keeps the contract of losses and is the published formula, with ties by their mean."""

from __future__ import annotations

from itertools import permutations
from math import log2

import pytest
import torch
from torch import tensor
from torch.nn.functional import logsigmoid
from torch.testing import assert_close

from moft.testing import check_loss
from moft_losses.lipo_lambda import LipoLambda
from moft_losses.pairwise_logistic import PairwiseLogistic


def _expected(rewards, labels, gain, k=30):
    """The definition: for each order of equal rewards, the NDCG@k of the ranking before and after a swap."""
    lift = (lambda label: label) if gain == "linear" else (lambda label: 2**label - 1)
    gains = [lift(label) - min(map(lift, labels)) for label in labels]
    items = range(len(labels))
    ideal = sum(g / log2(rank + 2) for rank, g in enumerate(sorted(gains, reverse=True)[:k]))

    def ndcg(order):
        return sum(gains[item] / log2(rank + 2) for rank, item in enumerate(order[:k])) / ideal

    orders = [order for order in permutations(items) if list(order) == sorted(order, key=lambda item: -rewards[item])]
    total = 0.0
    for better in items:
        for worse in items:
            if labels[better] <= labels[worse]:
                continue
            changes = []
            for order in orders:
                swapped = [worse if item == better else better if item == worse else item for item in order]
                changes.append(abs(ndcg(order) - ndcg(swapped)))
            total -= (
                sum(changes) / len(changes) * logsigmoid(tensor(rewards[better] - rewards[worse], dtype=torch.float64)).item()
            )
    return total


@pytest.mark.parametrize("gain", ["linear", "exp2"])
def test_it_keeps_the_contract(gain):
    check_loss(LipoLambda(gain=gain))


@pytest.mark.parametrize("gain", ["linear", "exp2"])
@pytest.mark.parametrize("rewards", [[0.3, -1.0, 2.0, 0.7], [0.0, 0.0, 0.0, 0.0], [1.0, 0.5, 1.0, 0.5], [0.0, 2.0, 0.0, 0.0]])
@pytest.mark.parametrize("k", [1, 2, 3, None])
def test_it_is_the_change_of_ndcg_times_the_logistic_loss(gain, rewards, k):
    labels = [2.0, 0.0, 1.0, 3.0]
    found = LipoLambda(gain=gain, k=k)(
        tensor([rewards], dtype=torch.float64), tensor([labels]).double(), torch.ones(1, 4, dtype=torch.bool)
    )
    torch.testing.assert_close(found.item(), _expected(rewards, labels, gain, k or 4), rtol=1e-9, atol=1e-12)


def test_a_pair_is_the_loss_of_dpo_times_a_number():
    rewards = torch.randn(8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels, mask = tensor([[1.0, 0.0]]).double().expand(8, 2), torch.ones(8, 2, dtype=torch.bool)
    assert_close(LipoLambda(k=2)(rewards, labels, mask), (1 - 1 / log2(3)) * PairwiseLogistic()(rewards, labels, mask))


def test_labels_may_be_shifted_and_scaled_as_ndcg_is_relative():
    generator = torch.Generator().manual_seed(0)
    rewards, labels = torch.randn(5, 6, generator=generator).double(), torch.rand(5, 6, generator=generator).double()
    mask = torch.ones(5, 6, dtype=torch.bool)
    for changed in (labels - 7, labels * 1e6):
        assert_close(LipoLambda()(rewards, changed, mask), LipoLambda()(rewards, labels, mask), rtol=1e-6, atol=1e-9)
    large = labels * 4 + 2000  # 2^2000 is no float
    assert_close(LipoLambda(gain="exp2")(rewards, large, mask), LipoLambda(gain="exp2")(rewards, labels * 4, mask))


def test_equal_labels_cost_zero_and_pass_no_gradient():
    rewards = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    costs = LipoLambda()(rewards, tensor([[1.0, 1.0, 1.0], [0.0, 2.0, 1.0]]), torch.ones(2, 3, dtype=torch.bool))
    costs.sum().backward()
    assert costs[0] == 0
    assert (rewards.grad[0] == 0).all()
    assert (rewards.grad[1] != 0).any()


def test_the_first_step_from_the_reference_orders_the_list_by_its_labels():
    rewards = torch.zeros(1, 4, requires_grad=True)
    LipoLambda()(rewards, tensor([[0.0, 3.0, 1.0, 2.0]]), torch.ones(1, 4, dtype=torch.bool)).sum().backward()
    assert (-rewards.grad[0]).argsort(descending=True).tolist() == [1, 3, 2, 0]


def test_pairs_below_the_first_k_pass_no_gradient():
    rewards = tensor([[3.0, 2.0, 1.0, 0.0]], requires_grad=True)
    LipoLambda(k=1)(rewards, tensor([[1.0, 1.0, 0.0, 2.0]]), torch.ones(1, 4, dtype=torch.bool)).sum().backward()
    assert (rewards.grad != 0).tolist() == [[True, False, True, True]]
