"""Free scores on one list, without a network, reach the optima that the theory names."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, tensor
from torch.testing import assert_close

from moft_losses.ipo import IPO
from moft_losses.listnet import ListNet

GENERATOR = torch.Generator().manual_seed(0)
LABELS = torch.randn(3, 6, generator=GENERATOR, dtype=torch.float64)  # [m, list]
TARGETS = LABELS.softmax(-1)
REFERENCE = torch.randn(6, generator=GENERATOR, dtype=torch.float64)
WEIGHTS = tensor([0.5, 0.2, 0.3], dtype=torch.float64)
ALL = torch.ones(3, 6, dtype=torch.bool)


def _minimised(loss_of, size: int) -> Tensor:
    scores = torch.zeros(size, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([scores], max_iter=500, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        loss = loss_of(scores)
        loss.backward()
        return loss

    optimiser.step(closure)
    return scores.detach()


def _centred(scores: Tensor) -> Tensor:
    return scores - scores.mean()


def _weighted(scores: Tensor, betas: Tensor) -> Tensor:
    rewards = betas.unsqueeze(-1) * (scores - REFERENCE)  # [m, list]
    return (WEIGHTS * ListNet()(rewards, LABELS, ALL)).sum()


def test_linear_scalarisation_reaches_the_arithmetic_mixture():
    beta = 0.7
    found = _minimised(lambda scores: _weighted(scores, tensor([beta] * 3).double()), 6)
    expected = REFERENCE + (WEIGHTS @ TARGETS).log() / beta
    assert_close(_centred(found), _centred(expected), rtol=0, atol=1e-5)


def test_unequal_betas_reach_the_stationary_point():
    betas = tensor([0.4, 1.0, 2.5], dtype=torch.float64)
    found = _minimised(lambda scores: _weighted(scores, betas), 6)
    predicted = (betas.unsqueeze(-1) * (found - REFERENCE)).softmax(-1)
    balance = ((WEIGHTS * betas).unsqueeze(-1) * (predicted - TARGETS)).sum(0)
    assert_close(balance, torch.zeros_like(balance), rtol=0, atol=1e-6)
    assert (predicted - TARGETS).abs().max() > 1e-2  # no single objective is at its own optimum


@pytest.mark.parametrize("main", [0, 1, 2])
def test_shifted_references_reach_the_geometric_mixture_whichever_objective_is_left(main):
    beta = 0.7
    singles = REFERENCE + TARGETS.log() / beta  # [m, list]
    others = [j for j in range(3) if j != main]

    def loss_of(scores):
        shift = sum(WEIGHTS[j] * beta * (singles[j] - REFERENCE) for j in others)
        rewards = (beta * (scores - REFERENCE) - shift) / WEIGHTS[main]
        return ListNet()(rewards, LABELS[main], ALL[main])

    expected = REFERENCE + (WEIGHTS @ TARGETS.log()) / beta
    assert_close(_centred(_minimised(loss_of, 6)), _centred(expected), rtol=0, atol=1e-5)


def test_two_opposite_pair_labels_settle_on_the_ratio_of_their_weights():
    beta, weights = 0.3, tensor([0.8, 0.2], dtype=torch.float64)
    reference = tensor([0.5, -0.2], dtype=torch.float64)
    labels = torch.eye(2, dtype=torch.float64)

    def loss_of(scores):
        rewards = (beta * (scores - reference)).expand(2, 2)
        return (weights * ListNet(target="sum")(rewards, labels, ALL[:2, :2])).sum()

    found = _minimised(loss_of, 2) - reference
    assert_close(beta * (found[0] - found[1]), (weights[0] / weights[1]).log(), rtol=0, atol=1e-6)


def test_ipo_settles_on_the_gap_of_the_paper():
    beta, tau = 0.3, 0.25

    def loss_of(scores):
        return IPO(margin=beta / (2 * tau))(beta * scores, tensor([1.0, 0.0]), ALL[0, :2])

    found = _minimised(loss_of, 2)
    assert_close(found[0] - found[1], tensor(1 / (2 * tau), dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("multiple", [0.25, 3.0])
def test_scores_mixed_with_the_reference_cost_the_same_at_the_multiplied_beta(multiple):
    beta = 0.7
    scores = torch.randn(3, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mixed = (1 - 1 / multiple) * REFERENCE + scores / multiple
    assert_close(
        ListNet()(multiple * beta * (mixed - REFERENCE), LABELS, ALL),
        ListNet()(beta * (scores - REFERENCE), LABELS, ALL),
    )


def test_the_size_of_the_betas_drops_out_of_training():
    betas = tensor([0.4, 1.0, 2.5], dtype=torch.float64)
    shares = betas / betas.sum()
    network = torch.randn(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    scores = REFERENCE + (network - REFERENCE) / betas.sum()
    assert_close(_weighted(scores, betas), _weighted(network, shares))
