"""Curves over the mean main value: their heights are interpolated, and compared where both reach the same value."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, resampled
from moft.engine.fronts.matched_curves import Curve, curve_of, differences_at, heights_at, shared_main, with_all_lists
from moft.errors import ShapeError


def a_curve(seed, dials=4, samples=30, k=2, low=0.0):
    drawn = torch.rand(dials, 1 + samples, 1 + k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Curve(drawn[..., 0] + low, drawn[..., 1:])


@pytest.mark.parametrize("dials", [2, 3, 7])
def test_heights_are_those_of_a_linear_interpolation_of_each_sample(dials):
    curve, main = a_curve(dials, dials), torch.linspace(-0.2, 1.2, 8, dtype=torch.float64)
    found = heights_at(curve, main)
    assert found.shape == (31, 8, 2)
    for sample in range(31):
        order = curve.main[:, sample].argsort()
        for k in range(2):
            x, y = curve.main[order, sample].numpy(), curve.heights[order, sample, k].numpy()
            np.testing.assert_allclose(found[sample, :, k].numpy(), np.interp(main.numpy(), x, y), rtol=1e-12)


def test_dials_with_the_same_main_value_have_a_height():
    curve = Curve(torch.tensor([[0.5], [0.5], [0.7]]).double(), torch.tensor([[[1.0]], [[2.0]], [[3.0]]]).double())
    found = heights_at(curve, torch.tensor([0.4, 0.5, 0.6, 0.8]).double()).flatten()
    assert torch.isfinite(found).all()
    assert found[2:].tolist() == pytest.approx([2.5, 3.0])


def test_curves_are_compared_over_the_main_values_that_both_reach():
    one = Curve(torch.tensor([[0.1], [0.6]]).double(), torch.zeros(2, 1, 1).double())
    other = Curve(torch.tensor([[0.9], [0.4]]).double(), torch.ones(2, 1, 1).double())
    assert shared_main(one, other, 3).tolist() == pytest.approx([0.4, 0.5, 0.6])
    assert differences_at(one, other, shared_main(one, other, 3)).flatten().tolist() == [-1.0, -1.0, -1.0]
    apart = Curve(other.main + 1, other.heights)
    assert shared_main(one, apart).tolist() == []
    assert differences_at(one, apart, shared_main(one, apart)).shape == (1, 0, 1)


def test_a_curve_is_made_of_the_fronts_of_all_lists_and_of_every_sample():
    generator = torch.Generator().manual_seed(0)
    fronts = [(torch.rand(5, 12, 2, generator=generator), torch.rand(5, 12, generator=generator)) for _ in range(3)]
    fronts[1][0][:, 3], weights = math.nan, torch.rand(12, generator=generator)
    drawn = resampled(12, 20, 0)
    counts, reference = with_all_lists(drawn), torch.zeros(2, dtype=torch.float64)
    curve = curve_of(fronts, counts, reference, weights)
    assert (curve.main.shape, curve.heights.shape) == ((3, 21), (3, 21, 3))
    for at, (values, main) in enumerate(fronts):
        assert_close(curve.heights[at, 1:, 0], bootstrap_hypervolume(values, drawn, reference, weights))
        assert_close(curve.heights[at, 1:, 1:], bootstrap_means(values, drawn, weights).amax(1))
        assert_close(curve.main[at, 1:], bootstrap_means(main.unsqueeze(-1), drawn, weights).mean((1, 2)))
    assert_close(curve.main[0, 0], (fronts[0][1].double().mean(0) * weights.double()).sum() / weights.double().sum())
    assert curve_of(fronts, counts, reference, has_best=False).heights.shape == (3, 21, 1)


def test_one_point_is_no_curve():
    with pytest.raises(ShapeError, match="at least two points, got 1"):
        heights_at(a_curve(0, dials=1), torch.zeros(1).double())
