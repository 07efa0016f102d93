"""The contract of losses refuses every broken rule, by its words."""

from __future__ import annotations

import pytest
import torch

from moft.testing import check_loss


def sound(rewards, labels, mask):
    """A loss that keeps every rule: the cross entropy of two softmaxes."""
    lowest = torch.finfo(rewards.dtype).min
    targets = labels.to(rewards.dtype).masked_fill(~mask, lowest).softmax(-1)
    logs = rewards.masked_fill(~mask, lowest).log_softmax(-1).masked_fill(~mask, 0.0)
    return torch.where(mask.sum(-1) > 1, -(targets * logs).sum(-1), 0.0)


def _all_items(rewards, labels, mask):
    return sound(rewards, labels, torch.ones_like(mask))


def _one_row_only(rewards, labels, mask):
    return sound(rewards, labels, mask).sum(-1, keepdim=True)


def _mean_over_others(rewards, labels, mask):
    costs = sound(rewards, labels, mask)
    return costs - costs.mean() + costs.mean().detach() * 2 if costs.dim() else costs


def _in_place(rewards, labels, mask):
    costs = sound(rewards, labels, mask)
    labels.mul_(2)
    return costs


def _by_position(rewards, labels, mask):
    place = mask.cumsum(-1) * mask  # among the items that count, so that padding changes nothing
    return sound(rewards, labels, mask) + (place * rewards).sum(-1) * (mask.sum(-1) > 1)


def _never_silent(rewards, labels, mask):
    return sound(rewards, labels, mask) + 1.0


def _gradient_of_one_item(rewards, labels, mask):
    kept = rewards.masked_fill(~mask, 0.0).sum(-1)
    return sound(rewards, labels, mask) + torch.where(mask.sum(-1) == 1, kept - kept.detach(), 0.0)


def _masked_gradient(rewards, labels, mask):
    outside = rewards.masked_fill(mask, 0.0).sum(-1)
    return sound(rewards, labels, mask) + outside - outside.detach()


def _rootless(rewards):
    """Zero for every list, with a gradient that is not a number."""
    return (rewards - rewards.detach()).square().sum(-1).sqrt()


def _nan_gradient(rewards, labels, mask):
    return sound(rewards, labels, mask) + _rootless(rewards)


def _nan_gradient_far_out(rewards, labels, mask):
    costs = sound(rewards, labels, mask)
    return costs + _rootless(rewards) if rewards[mask].abs().sum() > 1e3 else costs


def _nan_gradient_beside_silence(rewards, labels, mask):
    costs = sound(rewards, labels, mask)
    speaks = mask.sum(-1) > 1
    if speaks.all():
        return costs
    costs = costs.clone()
    costs[speaks] += _rootless(rewards[speaks])
    return costs


def _upside_down(rewards, labels, mask):
    return sound(-rewards, labels, mask)


def _single_precision(rewards, labels, mask):
    return sound(rewards.float(), labels, mask)


def _half_overflow(rewards, labels, mask):
    inflated = 1e5 if rewards.dtype == torch.float16 else 1.0
    return sound(rewards, labels, mask) * inflated


def _naive_exponential(rewards, labels, mask):
    odds = rewards.exp().masked_fill(~mask, 0.0)
    shares = odds / odds.sum(-1, keepdim=True).clamp(min=torch.finfo(rewards.dtype).tiny)
    targets = labels.to(rewards.dtype).masked_fill(~mask, torch.finfo(rewards.dtype).min).softmax(-1)
    return torch.where(mask.sum(-1) > 1, -(targets * shares.masked_fill(~mask, 1.0).log()).sum(-1), 0.0)


def test_a_sound_loss_passes():
    check_loss(sound)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (lambda rewards, labels, mask: None, r"a cost for each list, a tensor \[\]"),
        (_one_row_only, "a cost for each list"),
        (_in_place, "inputs are not changed"),
        (_mean_over_others, "a list costs the same alone and in a batch"),
        (_nan_gradient, "gradients are finite"),
        (_masked_gradient, "a masked item gets no gradient"),
        (_all_items, "a masked item gets no gradient"),
        (_by_position, "the order of the items does not change the cost"),
        (_never_silent, "a list with fewer than two items costs exactly zero"),
        (_gradient_of_one_item, "a list with fewer than two items passes no gradient"),
        (_upside_down, "a larger reward for the best item lowers the cost"),
        (_single_precision, "the cost of float64 rewards is float64"),
        (_half_overflow, "within the precision of the rewards"),
        (_naive_exponential, "costs are finite"),
        (_nan_gradient_far_out, "gradients are finite"),
        (_nan_gradient_beside_silence, "leaves the gradients of other lists finite"),
    ],
)
def test_a_broken_loss_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=rf"expected: .*{rule}.*; got: .*; input: "):
        check_loss(broken)


def test_masked_items_that_change_the_cost_without_a_gradient_are_refused():
    def counts_padding(rewards, labels, mask):
        return sound(rewards, labels, mask) * rewards.shape[-1]

    with pytest.raises(AssertionError, match="masked items do not change the cost"):
        check_loss(counts_padding)
