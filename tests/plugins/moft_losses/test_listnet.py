"""ListNet keeps the contract of losses and is the published formula."""

from __future__ import annotations

import pytest
import torch
from torch import tensor
from torch.nn.functional import logsigmoid
from torch.testing import assert_close

from moft import ConfigError, DataError
from moft.api import Loss, component
from moft.testing import check_loss
from moft_losses.listnet import ListNet
from moft_losses.pairwise_logistic import PairwiseLogistic
from moft_losses.plackett_luce import PlackettLuce


def _everything(labels):
    return torch.ones_like(labels, dtype=torch.bool)


def test_listnet_keeps_the_contract():
    check_loss(ListNet())
    check_loss(ListNet(target="sum"))


def test_listnet_is_the_cross_entropy_of_two_softmaxes():
    rewards, labels = tensor([[2.0, 0.0, -1.0]]), tensor([[1.0, 0.0, 3.0]])
    expected = -(labels.softmax(-1) * rewards.softmax(-1).log()).sum(-1)
    assert_close(ListNet()(rewards, labels, _everything(labels)), expected)


def test_labels_that_have_no_share_of_a_sum_are_refused_where_they_count():
    rewards, labels, mask = tensor([[2.0, 1.0, 0.0]]), tensor([[1.0, 0.5, -1.0]]), tensor([[True, True, False]])
    assert torch.isfinite(ListNet(target="sum")(rewards, labels, mask)).all()
    with pytest.raises(DataError, match=r"^\[listnet\] target: sum needs labels of 0 or more, got -1;"):
        ListNet(target="sum")(rewards, labels, _everything(labels))


def test_sum_targets_are_labels_over_their_sum():
    rewards, labels = tensor([[2.0, 0.0, -1.0]]), tensor([[1.0, 0.0, 3.0]])
    expected = -(labels / labels.sum() * rewards.softmax(-1).log()).sum(-1)
    assert_close(ListNet(target="sum")(rewards, labels, _everything(labels)), expected)


def test_a_pair_labelled_one_and_zero_costs_what_dpo_costs():
    rewards = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = tensor([[1.0, 0.0]]).double().expand(20, 2)
    expected = -logsigmoid(rewards[:, 0] - rewards[:, 1])
    for loss in (ListNet(target="sum"), PlackettLuce(), PairwiseLogistic()):
        assert_close(loss(rewards, labels, _everything(labels)), expected)


def test_a_list_without_label_mass_costs_zero_and_passes_no_gradient():
    rewards = torch.randn(2, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = tensor([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    costs = ListNet(target="sum")(rewards, labels, _everything(labels))
    costs.sum().backward()
    assert costs[0] == 0
    assert costs[1] > 0
    assert (rewards.grad[0] == 0).all()
    assert torch.isfinite(rewards.grad).all()


def test_label_mass_on_masked_items_does_not_count():
    rewards, labels = tensor([[1.0, 2.0, 3.0]]), tensor([[0.0, 0.0, 5.0]])
    assert ListNet(target="sum")(rewards, labels, tensor([[True, True, False]])) == 0


def test_equal_labels_draw_rewards_together():
    rewards = tensor([[1.0, -1.0]]).requires_grad_()
    ListNet()(rewards, torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool)).sum().backward()
    assert rewards.grad[0, 0] > 0 > rewards.grad[0, 1]


def test_a_shift_of_all_rewards_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    rewards, labels = torch.randn(4, 5, generator=generator, dtype=torch.float64), torch.rand(4, 5, generator=generator)
    shift = torch.randn(4, 1, generator=generator, dtype=torch.float64)
    assert_close(ListNet()(rewards + shift, labels, _everything(labels)), ListNet()(rewards, labels, _everything(labels)))


def test_half_precision_is_returned_as_float32():
    rewards = torch.zeros(1, 3, dtype=torch.bfloat16).requires_grad_()
    cost = ListNet()(rewards, torch.rand(1, 3), torch.ones(1, 3, dtype=torch.bool))
    cost.sum().backward()
    assert cost.dtype == torch.float32
    assert rewards.grad.dtype == torch.bfloat16


def test_equal_settings_compare_equal():
    assert ListNet() == ListNet(target="softmax")
    assert ListNet() != ListNet(target="sum")


def test_sharpness_multiplies_the_labels_before_their_softmax():
    rewards, labels = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)), torch.rand(3, 5)
    mask = torch.ones(3, 5, dtype=torch.bool)
    assert_close(ListNet(sharpness=7.0)(rewards, labels, mask), ListNet()(rewards, 7.0 * labels, mask))


def test_sharpness_is_refused_where_it_would_change_nothing():
    with pytest.raises(ConfigError, match="sharpness 2 has no effect with target: sum"):
        ListNet(target="sum", sharpness=2.0)


def test_smoothing_a_pair_is_conservative_dpo():
    rewards = torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels, eps = tensor([[1.0, 0.0]]).expand(20, 2), 0.1
    gap = rewards[:, 0] - rewards[:, 1]
    expected = -(1 - eps) * logsigmoid(gap) - eps * logsigmoid(-gap)
    assert_close(ListNet(target="sum", smoothing=eps)(rewards, labels, _everything(labels)), expected)
    assert_close(PairwiseLogistic(smoothing=eps)(rewards, labels, _everything(labels)), expected)


def test_smoothed_targets_are_still_a_distribution_over_the_items_that_count():
    rewards, labels = tensor([[2.0, 0.0, -1.0, 5.0]]), tensor([[1.0, 0.0, 3.0, 9.0]])
    mask, eps = tensor([[True, True, True, False]]), 0.3
    sharp = labels[:, :3].softmax(-1)
    targets = (1 - eps) * sharp + eps * (1 - sharp) / 2
    assert_close(targets.sum(), tensor(1.0))
    assert_close(ListNet(smoothing=eps)(rewards, labels, mask), -(targets * rewards[:, :3].log_softmax(-1)).sum(-1))


def test_smoothed_losses_keep_the_contract():
    check_loss(ListNet(smoothing=0.1))
    check_loss(PairwiseLogistic(smoothing=0.1))


@pytest.mark.parametrize("loss", ["listnet", "pairwise-logistic"])
def test_smoothing_that_would_turn_the_order_of_a_pair_around_is_refused(loss, plugins):
    component(Loss, {"name": loss, "smoothing": 0.49}, plugins)
    with pytest.raises(ConfigError, match=r"smoothing: must be less than 0\.5, got 0\.5"):
        component(Loss, {"name": loss, "smoothing": 0.5}, plugins)
