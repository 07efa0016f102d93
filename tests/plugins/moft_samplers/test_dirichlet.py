"""Dirichlet draws keep the contract of samplers and follow their distribution."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, tensor
from torch.testing import assert_close

from moft import ConfigError
from moft.testing import check_sampler
from moft_samplers.dirichlet import Dirichlet
from moft_samplers.simplex_grid import simplex_grid

COUNT = 20_000


def _draws(size, **settings):
    return Dirichlet(size, **settings).draw(COUNT, Generator().manual_seed(0)).double()


def test_dirichlet_keeps_the_contract():
    check_sampler(Dirichlet)
    check_sampler(lambda size: Dirichlet(size, alpha=0.01))
    check_sampler(lambda size: Dirichlet(size, alpha=[0.5] * size, vertices=0.3, edges=0.0))
    check_sampler(lambda size: Dirichlet(size, vertices=0.3, edges=0.5), sizes=(2, 3, 5))


@pytest.mark.parametrize("alpha", [0.05, 1.0, 20.0])
def test_means_and_variances_are_those_of_the_distribution(alpha):
    size = 4
    drawn = _draws(size, alpha=alpha)
    mean, total = 1 / size, size * alpha
    variance = mean * (1 - mean) / (total + 1)
    assert_close(drawn.mean(0), torch.full((size,), mean).double(), rtol=0, atol=5 * (variance / COUNT) ** 0.5)
    assert_close(drawn.var(0), torch.full((size,), variance).double(), rtol=0.1, atol=0)


def test_an_alpha_for_each_entry_moves_the_mean():
    alpha = [1.0, 2.0, 5.0]
    expected = tensor(alpha).double() / sum(alpha)
    assert_close(_draws(3, alpha=alpha).mean(0), expected, rtol=0, atol=0.01)


def test_the_smallest_alpha_gives_vertices_and_never_nan():
    drawn = _draws(5, alpha=1e-6)
    assert torch.isfinite(drawn).all()
    assert (drawn.amax(-1) > 0.999).double().mean() > 0.99
    assert_close(drawn.mean(0), torch.full((5,), 0.2).double(), rtol=0, atol=0.02)


def test_the_set_shares_lie_on_vertices_and_edges():
    drawn = _draws(4, vertices=0.2, edges=0.3)
    on = (drawn > 0).sum(-1)
    for entries, share in ((1, 0.2), (2, 0.3), (4, 0.5)):
        assert_close((on == entries).double().mean(), tensor(share).double(), rtol=0, atol=0.02)
    vertices = drawn[on == 1]
    assert_close(vertices.mean(0), torch.full((4,), 0.25).double(), rtol=0, atol=0.03)
    edges = drawn[on == 2]
    used = (edges > 0).double()
    together = used.T @ used / len(edges)
    assert_close(together.fill_diagonal_(1 / 6), torch.full((4, 4), 1 / 6).double(), rtol=0, atol=0.02)
    assert_close(edges.amax(-1).mean(), tensor(0.75).double(), rtol=0, atol=0.01)  # the longer part of a uniform cut


def test_its_grid_is_the_well_spread_one():
    assert_close(Dirichlet(3).grid(11), simplex_grid(3, 11))


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (3, {"alpha": [1.0, 2.0]}, "alpha has 2 entries; give one number or 3"),
        (3, {"vertices": 0.7, "edges": 0.4}, "at most 1, got 0.7 \\+ 0.4"),
        (1, {"edges": 0.1}, "no edges, got edges=0.1"),
    ],
)
def test_impossible_settings_are_refused(size, settings, message):
    with pytest.raises(ConfigError, match=message):
        Dirichlet(size, **settings)
