"""Labels of any finite size have the costs that the same labels have on a smaller scale, and no bit changes elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import tensor
from torch.testing import assert_close

from moft_losses.lipo_lambda import LipoLambda
from moft_losses.listnet import ListNet
from moft_losses.masked_softmax import masked_softmax, sharpened_softmax
from moft_losses.pairwise_logistic import PairwiseLogistic
from moft_losses.plackett_luce import PlackettLuce
from moft_losses.with_sft import WithSFT

REWARDS = tensor([[0.5, -1.0, 2.0, 9.0]])
MASK = tensor([[True, True, True, False]])
LARGE = tensor([[3e38, 1e38, 3e38, 2e38]])
SPREAD = tensor([[3e38, -3e38, 0.0, torch.inf]])
SCALED = {
    "listnet, sum": (ListNet(target="sum"), LARGE, LARGE / 1e38),
    "listnet, softmax": (ListNet(sharpness=10), LARGE, tensor([[9.0, 0.0, 9.0, 0.0]]) * 10),
    "listnet, a wide spread": (ListNet(sharpness=10), SPREAD, tensor([[9.0, 0.0, 0.0, 0.0]]) * 10),
    "lipo-lambda": (LipoLambda(), LARGE, LARGE / 1e38),
    "lipo-lambda, a wide spread": (LipoLambda(), SPREAD, SPREAD / 1e38),
    "lipo-lambda, exp2": (LipoLambda(gain="exp2"), LARGE, tensor([[90.0, 0.0, 90.0, 0.0]])),
    "lipo-lambda, exp2, a wide spread": (LipoLambda(gain="exp2"), SPREAD, tensor([[200.0, 0.0, 100.0, 0.0]])),
    "pairwise-logistic": (PairwiseLogistic(), SPREAD, SPREAD / 1e38),
    "plackett-luce": (PlackettLuce(), SPREAD, SPREAD / 1e38),
    "with-sft": (WithSFT(loss=PlackettLuce()), LARGE, LARGE / 1e38 * 10),
}


@pytest.mark.parametrize(("loss", "labels", "scaled"), SCALED.values(), ids=SCALED)
def test_labels_near_the_largest_number_cost_what_smaller_ones_do(loss, labels, scaled):
    rewards = REWARDS.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(rewards, labels, MASK).sum(), rewards)
    other = REWARDS.clone().requires_grad_()
    expected = loss(other, scaled, MASK)
    (wanted,) = torch.autograd.grad(expected.sum(), other)
    assert expected.isfinite().all()
    assert expected.ne(0).all()
    assert_close(loss(REWARDS, labels, MASK), expected)
    assert_close(slope, wanted)


def test_a_list_that_overflows_changes_no_bit_of_the_others():
    labels = torch.rand(50, 4, generator=torch.Generator().manual_seed(0)) * 5
    mask = MASK.expand(50, 4)
    both, mixed = torch.cat([labels, LARGE]), torch.cat([mask, MASK])
    assert torch.equal(sharpened_softmax(both, 3.7, mixed)[:-1], masked_softmax(labels * 3.7, mask))
    rewards = REWARDS.expand(51, 4)
    for loss in (ListNet(target="sum"), LipoLambda(), LipoLambda(gain="exp2")):
        assert torch.equal(loss(rewards, both, mixed)[:-1], loss(rewards[:-1], labels, mask))
