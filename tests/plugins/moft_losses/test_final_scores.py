"""Losses of the final ranking: smooth ranks, a smooth NDCG, the exposure of a group, and diversity."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft.api import ListContext
from moft_losses.approx_ndcg import ApproxNDCG
from moft_losses.diversity import Diversity
from moft_losses.exposure import Exposure
from moft_losses.smooth_ranks import exposure_shares, smooth_ranks
from moft_losses.with_sft import WithSFT

COLD = 1e-4
MASK = torch.tensor([True, True, True, True, False])
SCORES = torch.tensor([0.3, 2.0, -1.0, 1.0, 9.0])
RANKS = [3, 1, 4, 2]
SHOPS = torch.tensor([1.0, 0.0, 1.0, 2.0, 1.0])


def cost(loss, scores=SCORES, labels=None, mask=MASK, weights=None):
    """The cost of one list whose rewards are not its scores."""
    labels = torch.zeros(5) if labels is None else labels
    return loss(torch.zeros_like(scores), labels, mask, ListContext(scores, {"shop": SHOPS}, weights))


def shares():
    exposure = [1 / math.log2(rank + 1) for rank in RANKS]
    return [each / sum(exposure) for each in exposure]


def test_cold_ranks_are_those_of_the_sorted_list_and_warm_ones_keep_their_sum():
    assert smooth_ranks(SCORES, MASK, COLD)[:4].tolist() == pytest.approx(RANKS)
    assert smooth_ranks(SCORES, MASK, 5.0)[:4].sum().item() == pytest.approx(10)
    assert exposure_shares(SCORES, MASK, COLD).tolist() == pytest.approx([*shares(), 0.0])
    assert exposure_shares(SCORES, torch.zeros(5, dtype=torch.bool), COLD).tolist() == [0.0] * 5


@pytest.mark.parametrize("gain", ["linear", "exp2"])
def test_a_cold_approx_ndcg_is_one_minus_the_ndcg_of_the_scores(gain):
    from sklearn.metrics import ndcg_score

    labels = torch.tensor([3.0, 1.0, 0.0, 2.0, 4.0])
    gains = 2**labels - 1 if gain == "exp2" else labels
    expected = 1 - ndcg_score(gains[None, :4].numpy(), SCORES[None, :4].numpy())
    assert cost(ApproxNDCG(gain=gain, temperature=COLD), labels=labels).item() == pytest.approx(expected, abs=1e-6)
    assert cost(ApproxNDCG(gain=gain), labels=torch.ones(5)).item() == 0
    weights = torch.tensor([1.0, 2.0, 1.0, 1.0, 5.0])
    found = cost(ApproxNDCG(temperature=COLD), labels=labels, weights=weights)
    assert found.item() == pytest.approx(1 - ndcg_score((labels * weights)[None, :4].numpy(), SCORES[None, :4].numpy()), abs=1e-6)


def test_exposure_is_the_share_of_the_group_or_its_distance_from_parity():
    share = shares()[0] + shares()[2]
    assert cost(Exposure(attribute="shop", aim="more", temperature=COLD)).item() == pytest.approx(1 - share)
    assert cost(Exposure(attribute="shop", temperature=COLD)).item() == pytest.approx((share - 0.5) ** 2, abs=1e-7)
    assert cost(Exposure(attribute="shop", value=2, aim="more", temperature=COLD)).item() == pytest.approx(1 - shares()[3])
    assert cost(Exposure(attribute="shop", value=7)).item() == 0


def test_diversity_is_the_concentration_of_exposure_on_categories():
    first, second, third = shares()[0] + shares()[2], shares()[1], shares()[3]
    assert cost(Diversity(attribute="shop", temperature=COLD)).item() == pytest.approx(first**2 + second**2 + third**2)
    assert cost(Diversity(attribute="shop"), mask=torch.tensor([True, False, True, False, True])).item() == 0


@pytest.mark.parametrize(
    "loss", [Exposure(attribute="shop"), Exposure(attribute="shop", aim="more"), Diversity(attribute="shop")]
)
def test_a_step_along_the_gradient_lowers_the_cost_through_the_scores(loss):
    scores = torch.tensor([0.3, 0.5, 0.2, 0.35, 9.0], requires_grad=True)
    before = cost(loss, scores)
    (slope,) = torch.autograd.grad(before, scores)
    assert slope[4] == 0
    assert cost(loss, (scores - 0.05 * slope / slope.norm()).detach()) < before


def test_without_a_context_a_loss_of_attributes_says_what_it_lacks():
    for loss in (Exposure(attribute="shop"), Diversity(attribute="shop")):
        with pytest.raises(ConfigError, match="reads scores and attributes of items, which it was not given here"):
            loss(torch.zeros(5), torch.zeros(5), MASK)


def test_with_sft_passes_on_what_its_loss_asks_for():
    loss = WithSFT(loss=ApproxNDCG(), weight=0.0)
    assert loss.asks.scores
    assert not loss.asks.item_weights
    labels = torch.tensor([3.0, 1.0, 0.0, 2.0, 4.0])
    assert_close(cost(loss, labels=labels), cost(ApproxNDCG(), labels=labels))
