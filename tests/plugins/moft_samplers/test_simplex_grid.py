"""Grids hold what a front must be measured at, well spread."""

from __future__ import annotations

from math import comb

import pytest
import torch
from torch.testing import assert_close

from moft import ConfigError
from moft_samplers.simplex_grid import lattice_size, simplex_grid, simplex_lattice


def test_one_objective_has_one_point():
    assert_close(simplex_grid(1, 7), torch.ones(1, 1))


def test_two_objectives_get_even_steps_from_the_first_to_the_second():
    grid = simplex_grid(2, 11)
    assert_close(grid[:, 0], torch.linspace(1, 0, 11))
    assert_close(grid[:, 1], torch.linspace(0, 1, 11))


@pytest.mark.parametrize(("size", "points"), [(3, 4), (3, 11), (5, 11), (5, 40), (10, 21)])
def test_larger_grids_hold_vertices_and_centroid_once_and_have_the_points_asked_for(size, points):
    grid = simplex_grid(size, points)
    assert grid.shape == (points, size)
    assert_close(grid[:size], torch.eye(size))
    assert_close(grid[size], torch.full((size,), 1 / size))
    assert len(grid.unique(dim=0)) == points
    assert (grid >= 0).all()
    assert_close(grid.sum(-1), torch.ones(points))


def test_every_further_point_is_the_farthest_of_the_lattice():
    size, points = 3, 8
    grid = simplex_grid(size, points).double()
    partitions = next(p for p in range(1, 99) if lattice_size(size, p) >= 4 * points)
    lattice = simplex_lattice(size, partitions).double()
    for index in range(size + 1, points):
        reach = torch.cdist(lattice, grid[:index]).amin(1).max()
        assert_close(torch.cdist(grid[index : index + 1], grid[:index]).min(), reach)


def test_a_larger_grid_leaves_smaller_holes():
    lattice = simplex_lattice(3, 30)
    holes = [torch.cdist(lattice, simplex_grid(3, points)).amin(1).max() for points in (4, 10, 40)]
    assert holes[0] > holes[1] > holes[2]


def test_the_lattice_holds_every_multiple_of_the_step_once():
    lattice = simplex_lattice(4, 5)
    assert len(lattice) == lattice_size(4, 5) == comb(8, 3)
    assert len(lattice.unique(dim=0)) == len(lattice)
    assert_close(lattice * 5, (lattice * 5).round())
    assert_close(lattice.sum(-1), torch.ones(len(lattice)))


@pytest.mark.parametrize(("size", "points", "least"), [(2, 1, 2), (3, 3, 4), (5, 5, 6)])
def test_too_few_points_are_refused_with_the_least_number(size, points, least):
    with pytest.raises(ConfigError, match=f"over {size} objectives needs at least {least} points .* got {points}"):
        simplex_grid(size, points)
