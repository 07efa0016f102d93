"""Attainment surfaces against counting, point by point, how many fronts attain it."""

from __future__ import annotations

import math

import pytest
import torch

from moft import ShapeError
from moft.engine.fronts.attainment_surfaces import SHARES, attainment_surfaces


def attained(points, front):
    """`[k]` bool, whether one of a front's points is at least as good as each of the points."""
    return (front.unsqueeze(0) >= points.unsqueeze(1)).all(-1).any(1)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 11])
def test_a_surface_is_attained_where_so_many_fronts_attain_it(count):
    generator = torch.Generator().manual_seed(count)
    fronts = [torch.rand(6, 2, generator=generator) for _ in range(count)]
    probes = torch.rand(500, 2, generator=generator).double()
    by_how_many = sum(attained(probes, front.double()).long() for front in fronts)
    surfaces = attainment_surfaces(fronts)
    for name, share in SHARES.items():
        expected = by_how_many >= max(1, math.ceil(share * count))
        assert torch.equal(attained(probes, surfaces[name]), expected), name


def test_corners_go_from_left_to_right_and_down():
    fronts = [torch.rand(8, 2, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    for corners in attainment_surfaces(fronts).values():
        steps = corners.diff(dim=0)
        assert (steps[:, 0] > 0).all()
        assert (steps[:, 1] < 0).all()


def test_equal_fronts_have_one_surface_and_it_is_their_front():
    front = torch.tensor([[0.1, 0.9], [0.5, 0.5], [0.4, 0.4], [0.9, 0.1]])
    expected = front[[0, 1, 3]].double()
    for corners in attainment_surfaces([front, front, front]).values():
        torch.testing.assert_close(corners, expected)


def test_what_was_not_measured_attains_nothing():
    front, unknown = torch.tensor([[0.1, 0.9], [math.nan, 2.0]]), torch.full((2, 2), math.nan)
    surfaces = attainment_surfaces([front, unknown])
    torch.testing.assert_close(surfaces["best"], front[:1].double())
    assert len(surfaces["all"]) == 0


def test_three_objectives_are_refused():
    with pytest.raises(ShapeError, match=r"fronts of shape \[n, 2\], got \[4, 3\]"):
        attainment_surfaces([torch.rand(4, 3, generator=torch.Generator())])
