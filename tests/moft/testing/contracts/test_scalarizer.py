"""The contract of scalarizers refuses every broken rule, by its words."""

from __future__ import annotations

import pytest
import torch

from moft.testing import check_scalarizer


def sound(losses, weights):
    return (losses * weights).sum(-1)


def _in_place(losses, weights):
    return sound(losses.mul_(2), weights)


class _Shares:
    def __init__(self, shares):
        self.loss_shares = shares

    def __call__(self, losses, weights):
        return sound(losses, weights)


BROKEN = [
    (_Shares(lambda weights: weights.tolist()), "a share for each loss, a tensor"),
    (_Shares(lambda weights: weights[:, :1].repeat(1, 7)), "a share for each loss, "),
    (_Shares(lambda weights: -weights), "shares are 0 or more"),
    (_Shares(torch.ones_like), "the sum of shares times losses is the value"),
    (lambda losses, weights: None, "one number for each row, a tensor"),
    (_in_place, "inputs are not changed"),
    (lambda losses, weights: sound(losses, weights).sum(), "one number for each row"),
    (lambda losses, weights: sound(losses.float(), weights.float()), "float64 losses give float64"),
    (lambda losses, weights: sound(losses / losses.sum(), weights), "a row gives the same result alone"),
    (lambda losses, weights: sound(losses, weights) + losses[:, 0], "the order of the objectives"),
    (lambda losses, weights: sound(losses, weights).neg(), "doubled losses give a larger value"),
    (lambda losses, weights: (losses * weights).sum(-1) + losses.log().sum(-1), "values are finite"),
    (
        lambda losses, weights: losses.square().sum(-1).sqrt() + sound(losses, weights) * torch.sqrt(losses.sum(-1)),
        "gradients are finite",
    ),
]


def test_a_sound_scalarizer_passes():
    check_scalarizer(sound)


@pytest.mark.parametrize(("broken", "rule"), BROKEN)
def test_a_broken_scalarizer_is_refused_with_the_rule(broken, rule):
    with pytest.raises(AssertionError, match=f"expected: .*{rule}.*; got: .*; input: "):
        check_scalarizer(broken)
