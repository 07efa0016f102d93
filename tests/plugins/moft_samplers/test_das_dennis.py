"""The lattice sampler keeps the contract and gives its whole lattice or nothing."""

from __future__ import annotations

import pytest
from torch import Generator
from torch.testing import assert_close

from moft import ConfigError
from moft.testing import check_sampler
from moft_samplers.das_dennis import DasDennis
from moft_samplers.simplex_grid import simplex_lattice


def test_das_dennis_keeps_the_contract():
    check_sampler(lambda size: DasDennis(size, partitions=4), points=100)


def test_its_grid_is_the_whole_lattice():
    assert_close(DasDennis(3, partitions=4).grid(15), simplex_lattice(3, 4))


def test_all_lattice_points_are_drawn_equally_often():
    lattice = simplex_lattice(3, 2)
    drawn = DasDennis(3, partitions=2).draw(6000, Generator().manual_seed(0))
    shares = (drawn.unsqueeze(1) == lattice).all(-1).double().mean(0)
    assert_close(shares.sum().item(), 1.0)
    assert_close(shares, shares.new_full((6,), 1 / 6), rtol=0, atol=0.02)


def test_fewer_points_than_the_lattice_has_are_refused():
    with pytest.raises(ConfigError, match="has 15 points, but 11 are requested; request 15"):
        DasDennis(3, partitions=4).grid(11)


def test_a_lattice_beyond_memory_is_refused_before_it_is_made():
    with pytest.raises(ConfigError, match="partitions=100 for 10 objectives"):
        DasDennis(10, partitions=100)
