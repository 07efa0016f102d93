"""Penalty boundary intersection keeps the contract, is its formula, and follows its ray."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, tensor
from torch.nn.functional import normalize
from torch.testing import assert_close

from moft import ConfigError
from moft.testing import check_scalarizer
from moft_scalarizers.penalty_boundary_intersection import PenaltyBoundaryIntersection as PBI

LOSSES, WEIGHTS = tensor([[2.0, 5.0], [3.0, 1.0]]), tensor([[0.3, 0.7], [0.9, 0.1]])


@pytest.mark.parametrize("direction", ["weights", "inverse"])
@pytest.mark.parametrize("theta", [0.0, 5.0, 100.0])
def test_it_keeps_the_contract(theta, direction):
    check_scalarizer(PBI(theta=theta, direction=direction))


@pytest.mark.parametrize(("direction", "ray"), [("weights", WEIGHTS), ("inverse", 1 / WEIGHTS)])
def test_it_is_the_length_along_the_ray_and_theta_times_the_distance_from_it(direction, ray):
    above, unit = LOSSES - tensor([0.5, 0.25]), normalize(ray)
    along = (above * unit).sum(-1)
    across = (above - along[:, None] * unit).square().sum(-1).sqrt()
    assert_close(PBI(theta=3.0, direction=direction, ideal=[0.5, 0.25])(LOSSES, WEIGHTS), along + 3 * across)


@pytest.mark.parametrize("m", [2, 5])
@pytest.mark.parametrize("direction", ["weights", "inverse"])
def test_it_is_that_of_torchjd(direction, m):
    torchjd = pytest.importorskip("torchjd.scalarization", reason="torchjd is not installed; it is in the group 'test'")
    generator = Generator().manual_seed(0)
    losses = 3 * torch.rand(6, m, generator=generator, dtype=torch.float64)
    weights = torch.rand(6, m, generator=generator, dtype=torch.float64) + 0.1
    weights = weights / weights.sum(-1, keepdim=True)
    ray, ideal = (weights if direction == "weights" else 1 / weights), [0.1 * (j + 1) for j in range(m)]
    reference = torch.tensor(ideal, dtype=torch.float64)
    ours, theirs = losses.clone().requires_grad_(), losses.clone().requires_grad_()
    found = PBI(theta=4.0, direction=direction, ideal=ideal)(ours, weights)
    expected = torch.stack([torchjd.PBI(4.0, w, reference)(row) for w, row in zip(ray, theirs, strict=True)])
    assert_close(found, expected, rtol=0, atol=1e-5)  # torchjd adds 1e-12 below the square root
    found.sum().backward()
    expected.sum().backward()
    assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-5)


def test_without_theta_it_is_the_projection_and_rises_with_each_loss():
    losses = LOSSES.clone().requires_grad_()
    values = PBI(theta=0.0, direction="weights")(losses, WEIGHTS)
    assert_close(values, (losses * WEIGHTS).sum(-1) / WEIGHTS.norm(dim=-1))
    values.sum().backward()
    assert (losses.grad > 0).all()


def test_on_the_ray_only_the_length_along_it_has_a_gradient():
    losses = tensor([[3.0, 3.0], [0.0, 0.0]], requires_grad=True)
    values = PBI(theta=7.0)(losses, torch.full((2, 2), 0.5))
    values.sum().backward()
    assert_close(values, tensor([math.sqrt(18.0), 0.0]), rtol=1e-5, atol=1e-5)
    assert_close(losses.grad[1], torch.full((2,), 1 / math.sqrt(2)))
    assert losses.grad.norm(dim=-1).max() <= math.sqrt(1 + 7.0**2) + 1e-5


@pytest.mark.parametrize("direction", ["weights", "inverse"])
@pytest.mark.parametrize(
    "losses", [[[1.0, 1.0]], [[0.0, 0.0]], [[1.0, 1.0 + 1e-6]], [[1.0, 1.0 + 1e-22]], [[1e-30, 3e-30]], [[1e9, 0.0]]]
)
@pytest.mark.parametrize("weights", [[[1.0, 0.0]], [[0.5, 0.5]], [[1e-6, 1 - 1e-6]]])
@pytest.mark.parametrize("ideal", [None, [1.0, 1.0]])
def test_values_and_gradients_are_finite_everywhere(ideal, weights, losses, direction):
    leaf = tensor(losses, requires_grad=True)
    value = PBI(direction=direction, ideal=ideal)(leaf, tensor(weights))
    value.sum().backward()
    assert value.isfinite().all()
    assert leaf.grad.norm() <= math.sqrt(1 + 5.0**2) + 1e-4


def reached(scalarizer, w):
    """Where on a quarter circle, a front that is concave all along, the least value lies."""
    angle = torch.linspace(0, math.pi / 2, 1001, dtype=torch.float64)
    front = torch.stack([angle.cos(), angle.sin()], dim=-1)
    weights = tensor([[w, 1 - w]], dtype=torch.float64).expand(len(front), -1)
    return front[scalarizer(front, weights).argmin()]


@pytest.mark.parametrize(("direction", "falls"), [("inverse", True), ("weights", False)])
def test_a_large_theta_reaches_the_front_on_the_ray_and_only_the_inverse_one_means_importance(direction, falls):
    firsts = []
    for w in (0.2, 0.4, 0.6, 0.8):
        point = reached(PBI(theta=50.0, direction=direction), w)
        ray = tensor([w, 1 - w], dtype=torch.float64) if direction == "weights" else 1 / tensor([w, 1 - w], dtype=torch.float64)
        assert_close(normalize(point, dim=0), normalize(ray, dim=0), rtol=0, atol=2e-3)
        firsts.append(point[0].item())
    assert firsts == sorted(firsts, reverse=falls)


def test_it_is_not_monotone_in_a_loss_on_the_good_side_of_the_ray():
    weights = tensor([[0.5, 0.5]])
    pbi = PBI(theta=5.0)
    assert pbi(tensor([[1.0, 2.0]]), weights) < pbi(tensor([[0.5, 2.0]]), weights)


def test_a_reference_point_of_another_length_is_refused():
    with pytest.raises(ConfigError, match=r"^\[method.scalarizer.ideal\] has length 1 for 2 objectives"):
        PBI(ideal=[0.0])(LOSSES, WEIGHTS)
