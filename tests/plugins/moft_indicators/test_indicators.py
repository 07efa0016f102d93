"""The indicators keep their contract and measure what they say."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from moft import ConfigError
from moft.testing import check_indicator
from moft_indicators.coverage import Coverage
from moft_indicators.hypervolume import Hypervolume
from moft_indicators.monotonicity import Monotonicity
from moft_indicators.spacing import Spacing

TWO = tensor([[1.0, 0.0], [0.75, 0.25], [0.5, 0.5], [0.0, 1.0]])


@pytest.mark.parametrize("indicator", [Hypervolume(), Spacing(), Coverage(), Monotonicity(), Monotonicity(pairs="all")])
def test_indicators_keep_the_contract(indicator):
    check_indicator(indicator)


def test_a_hypervolume_with_a_reference_keeps_the_contract():
    check_indicator(Hypervolume(reference=[0.1, 0.2]), m=2)


def test_the_hypervolume_of_one_point_is_the_box_above_the_reference():
    point = tensor([[3.0, 5.0]])
    assert Hypervolume()(point, TWO[:1]) == pytest.approx(3 * 5)
    assert Hypervolume(reference=[1.0, 2.0])(point, TWO[:1]) == pytest.approx((3 - 1) * (5 - 2))
    assert "(1, 2)" in Hypervolume(reference=[1.0, 2.0]).meaning


def test_a_reference_of_another_length_is_refused():
    with pytest.raises(ConfigError, match="reference has 3 entries; it needs one for each of the 2"):
        Hypervolume(reference=[0.0, 0.0, 0.0])(TWO, TWO)


def test_even_points_have_no_spacing_and_uneven_ones_their_deviation():
    even = tensor([[0.0, 3.0], [1.0, 2.0], [2.0, 1.0], [3.0, 0.0]])
    assert Spacing()(even, even) == pytest.approx(0.0, abs=1e-9)
    uneven = tensor([[0.0, 9.0], [1.0, 8.0], [9.0, 0.0]])
    nearest = tensor([2.0, 2.0, 16.0])
    expected = ((nearest - nearest.mean()).square().sum() / (len(nearest) - 1)).sqrt()
    assert Spacing()(uneven, uneven) == pytest.approx(float(expected))


def test_spacing_leaves_out_dominated_points_and_repetitions():
    front = tensor([[0.0, 9.0], [1.0, 8.0], [9.0, 0.0]])
    more = torch.cat([front, front[:1], tensor([[0.5, 0.5]])])
    assert Spacing()(more, more) == pytest.approx(Spacing()(front, front))


def test_coverage_is_the_mean_width_of_the_front_without_dominated_points():
    points = tensor([[0.0, 4.0], [1.0, 2.0], [-5.0, -5.0]])
    assert Coverage()(points, points) == pytest.approx((1 + 2) / 2)
    assert Coverage()(points[:1], points[:1]) == 0


@pytest.mark.parametrize("pairs", ["rays", "all"])
def test_two_objectives_that_follow_their_weights_are_monotone(pairs):
    assert Monotonicity(pairs=pairs)(TWO.square(), TWO) == 1
    assert Monotonicity(pairs=pairs)(-TWO, TWO) == 0
    assert Monotonicity(pairs=pairs)(torch.ones(4, 2), TWO) == 0.5


@pytest.mark.parametrize("pairs", ["rays", "all"])
def test_one_step_back_costs_its_share_of_the_pairs(pairs):
    points = TWO.clone()
    points[:2, 0] = points[:2, 0].flip(0)
    assert Monotonicity(pairs=pairs)(points, TWO) == pytest.approx((5 / 6 + 1) / 2)


def _linear_optimum(weights):
    """The best points of a ball whose first two objectives run together: linear scalarisation solved in closed form."""
    shape = tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    return weights @ shape / (weights @ shape * weights).sum(-1, keepdim=True).sqrt()


def test_a_perfect_front_of_three_objectives_is_monotone_on_rays_but_not_over_all_pairs():
    steps = torch.cartesian_prod(torch.arange(6), torch.arange(6))
    steps = steps[steps.sum(1) <= 5].float()
    weights = torch.cat([steps, 5 - steps.sum(1, keepdim=True)], dim=1) / 5
    points = _linear_optimum(weights)
    assert Monotonicity()(points, weights) == 1
    assert Monotonicity(pairs="all")(points, weights) < 1


def test_on_rays_only_steps_straight_to_a_vertex_are_compared():
    weights = torch.cat([torch.eye(3), torch.full((1, 3), 1 / 3), tensor([[0.5, 0.5, 0.0]])])
    points = weights.clone()
    points[0, 0] = -1.0
    # to the first vertex: four steps straight onto it, all lost, and one from the second vertex to the midpoint, won
    assert Monotonicity()(points, weights) == pytest.approx((1 / 5 + 1 + 1) / 3)
