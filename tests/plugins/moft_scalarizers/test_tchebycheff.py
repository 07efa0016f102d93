"""Both Tchebycheff scalarizers keep the contract, are their formulas, and reach concave stretches of a front."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import Generator, tensor
from torch.testing import assert_close

from moft import ConfigError
from moft.testing import check_scalarizer
from moft_scalarizers.linear import Linear
from moft_scalarizers.tchebycheff import SmoothTchebycheff, Tchebycheff

LOSSES, WEIGHTS = tensor([[2.0, 5.0], [3.0, 1.0]]), tensor([[0.3, 0.7], [0.9, 0.1]])
IDEAL = [0.5, 2.0]
BOTH = [Tchebycheff(), SmoothTchebycheff(mu=0.3)]


def drawn(rows, m):
    """Losses between 0 and 3, and weights, in float64."""
    generator = Generator().manual_seed(0)
    losses = 3 * torch.rand(rows, m, generator=generator, dtype=torch.float64)
    return losses, torch.randn(rows, m, generator=generator, dtype=torch.float64).softmax(-1)


@pytest.mark.parametrize("scalarizer", [*BOTH, SmoothTchebycheff(mu=1e-6), SmoothTchebycheff(mu=100.0)])
def test_they_keep_the_contract(scalarizer):
    check_scalarizer(scalarizer)


def test_tchebycheff_is_the_largest_weighted_distance_from_the_reference_point():
    expected = torch.stack([torch.max(w * (loss - tensor(IDEAL))) for w, loss in zip(WEIGHTS, LOSSES, strict=True)])
    assert_close(Tchebycheff(ideal=IDEAL)(LOSSES, WEIGHTS), expected)


def test_smooth_tchebycheff_is_the_log_of_a_sum_of_exponentials():
    expected = 0.4 * torch.exp(WEIGHTS * (LOSSES - tensor(IDEAL)) / 0.4).sum(-1).log()
    assert_close(SmoothTchebycheff(mu=0.4, ideal=IDEAL)(LOSSES, WEIGHTS), expected)


@pytest.mark.parametrize("m", [2, 5])
@pytest.mark.parametrize("mu", [0.01, 0.1, 1.0])
def test_smooth_tchebycheff_is_that_of_torchjd(mu, m):
    torchjd = pytest.importorskip("torchjd.scalarization", reason="torchjd is not installed; it is in the group 'test'")
    losses, weights = drawn(6, m)
    ideal = [0.1 * (j + 1) for j in range(m)]
    ours, theirs = losses.clone().requires_grad_(), losses.clone().requires_grad_()
    found = SmoothTchebycheff(mu=mu, ideal=ideal)(ours, weights)
    reference = torch.tensor(ideal, dtype=torch.float64)
    expected = torch.stack([torchjd.STCH(mu, w, reference)(row) for w, row in zip(weights, theirs, strict=True)])
    assert_close(found, expected)
    found.sum().backward()
    expected.sum().backward()
    assert_close(ours.grad, theirs.grad)


def test_tchebycheff_is_the_smooth_one_of_torchjd_as_mu_falls():
    torchjd = pytest.importorskip("torchjd.scalarization", reason="torchjd is not installed; it is in the group 'test'")
    losses, weights = drawn(6, 3)  # torchjd has no plain one
    limit = torch.stack([torchjd.STCH(1e-7, w)(row) for w, row in zip(weights, losses, strict=True)])
    assert_close(Tchebycheff()(losses, weights), limit, rtol=0, atol=1e-6)


def test_the_smooth_one_lies_above_the_plain_one_by_at_most_mu_log_m():
    losses, weights = drawn(20, 4)
    plain = Tchebycheff(ideal=[0.3] * 4)(losses, weights)
    for mu in (1.0, 0.1, 0.01, 1e-4):
        gap = SmoothTchebycheff(mu=mu, ideal=[0.3] * 4)(losses, weights) - plain
        assert (gap >= 0).all()
        assert (gap <= mu * math.log(4) + 1e-12).all()


@pytest.mark.parametrize("scalarizer", BOTH)
def test_no_loss_that_rises_makes_them_fall(scalarizer):
    losses, weights = drawn(20, 3)
    for j in range(3):
        higher = losses.clone()
        higher[:, j] += 0.5
        assert (scalarizer(higher, weights) >= scalarizer(losses, weights)).all()


def test_every_weighted_loss_makes_the_smooth_one_rise():
    losses, weights = drawn(20, 3)
    losses.requires_grad_()
    SmoothTchebycheff(mu=0.5)(losses, weights).sum().backward()
    assert (losses.grad > 0).all()


def test_equal_products_share_the_gradient():
    losses, weights = tensor([[1.0, 3.0]], requires_grad=True), tensor([[0.75, 0.25]])
    Tchebycheff()(losses, weights).sum().backward()
    assert_close(losses.grad, weights / 2)


def test_a_smoothing_beyond_all_losses_has_the_gradient_of_linear_over_m():
    losses, weights = drawn(4, 3)
    losses.requires_grad_()
    SmoothTchebycheff(mu=1e6)(losses, weights).sum().backward()
    assert_close(losses.grad, weights / 3, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("scalarizer", [Tchebycheff(ideal=[1.0, 1.0]), SmoothTchebycheff(mu=1e-6, ideal=[1.0, 1.0])])
@pytest.mark.parametrize("losses", [[[0.0, 0.0]], [[1.0, 1.0]], [[1e30, 1e-30]], [[0.5, 2.0]]])
@pytest.mark.parametrize("weights", [[[1.0, 0.0]], [[0.5, 0.5]]])
def test_values_and_gradients_are_finite_everywhere(scalarizer, losses, weights):
    leaf = tensor(losses, requires_grad=True)
    value = scalarizer(leaf, tensor(weights))
    value.sum().backward()
    assert value.isfinite().all()
    assert leaf.grad.isfinite().all()


def reached(scalarizer, w):
    """Where on a quarter circle, a front that is concave all along, the least value lies."""
    angle = torch.linspace(0, math.pi / 2, 1001, dtype=torch.float64)
    front = torch.stack([angle.cos(), angle.sin()], dim=-1)
    weights = tensor([[w, 1 - w]], dtype=torch.float64).expand(len(front), -1)
    return front[scalarizer(front, weights).argmin()]


@pytest.mark.parametrize("scalarizer", [Tchebycheff(), SmoothTchebycheff(mu=0.003)])
def test_weights_reach_all_of_a_concave_front_where_linear_knows_its_ends_only(scalarizer):
    firsts = []
    for w in (0.2, 0.4, 0.6, 0.8):
        point = reached(scalarizer, w)
        assert 0.05 < point[0] < 0.999
        assert_close(w * point[0], (1 - w) * point[1], rtol=0, atol=0.02)
        assert reached(Linear(), w).min() < 1e-9
        firsts.append(point[0].item())
    assert firsts == sorted(firsts, reverse=True)  # the larger its weight, the smaller a loss


@pytest.mark.parametrize("scalarizer", [Tchebycheff(ideal=[0.0] * 3), SmoothTchebycheff(ideal=[0.0] * 3)])
def test_a_reference_point_of_another_length_is_refused(scalarizer):
    message = "[method.scalarizer.ideal] has length 3 for 2 objectives; give one number for each, in their order, or null."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        scalarizer(LOSSES, WEIGHTS)
