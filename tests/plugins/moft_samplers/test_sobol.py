"""Sobol draws keep the contract of samplers, follow the Dirichlet distribution, and do so more evenly than independent ones."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, tensor
from torch.testing import assert_close

from moft import ConfigError
from moft.testing import check_sampler
from moft_samplers.dirichlet import Dirichlet
from moft_samplers.simplex_grid import simplex_grid
from moft_samplers.sobol import Sobol

COUNT = 4096


def _draws(size, **settings):
    return Sobol(size, **settings).draw(COUNT, Generator().manual_seed(0)).double()


def test_sobol_keeps_the_contract():
    check_sampler(Sobol)
    check_sampler(lambda size: Sobol(size, alpha=0.01))
    check_sampler(lambda size: Sobol(size, alpha=[0.5] * size, vertices=0.3))
    check_sampler(lambda size: Sobol(size, vertices=0.3, edges=0.7), sizes=(2, 3, 5))


@pytest.mark.parametrize("alpha", [0.05, 1.0, 20.0])
def test_means_and_variances_are_those_of_the_distribution(alpha):
    size = 4
    drawn = _draws(size, alpha=alpha)
    mean, total = 1 / size, size * alpha
    variance = mean * (1 - mean) / (total + 1)
    # independent draws would be off by some (variance / COUNT) ** 0.5
    assert_close(drawn.mean(0), torch.full((size,), mean).double(), rtol=0, atol=0.3 * (variance / COUNT) ** 0.5)
    assert_close(drawn.var(0), torch.full((size,), variance).double(), rtol=0.03, atol=0)


def test_an_alpha_for_each_entry_moves_the_mean():
    alpha = [1.0, 2.0, 5.0]
    assert_close(_draws(3, alpha=alpha).mean(0), tensor(alpha).double() / sum(alpha), rtol=0, atol=1e-3)


def test_every_batch_is_spread_over_the_simplex():
    halves = Sobol(2).draw(16, Generator().manual_seed(3))[:, 0] < 0.5
    assert halves.sum() == 8
    batches = [(Sobol(3), []), (Dirichlet(3), [])]
    for seed in range(40):
        for sampler, means in batches:
            means.append(sampler.draw(16, Generator().manual_seed(seed)).mean(0))
    even, independent = (torch.stack(means).var(0).sum() for _, means in batches)
    assert even < independent / 10


def test_means_over_batches_are_right():
    means = [Sobol(3, vertices=0.3).draw(5, Generator().manual_seed(seed)).mean(0) for seed in range(200)]
    assert_close(torch.stack(means).mean(0), torch.full((3,), 1 / 3), rtol=0, atol=0.02)


def test_each_batch_has_its_share_of_vertices_and_edges():
    drawn = Sobol(4, vertices=0.25, edges=0.5).draw(64, Generator().manual_seed(0))
    on = (drawn > 0).sum(-1)
    assert [(on == entries).sum().item() for entries in (1, 2, 4)] == [16, 32, 16]
    assert drawn[on == 1].sum(0).tolist() == [4.0] * 4
    edges = _draws(3, edges=1.0)
    assert_close((edges > 0).double().mean(0), torch.full((3,), 2 / 3).double(), rtol=0, atol=1e-3)
    assert_close(edges[edges > 0].var(), tensor(1 / 12).double(), rtol=0.02, atol=0)  # uniform between its ends


def test_draws_differ_from_call_to_call_and_follow_the_generator():
    generator = Generator().manual_seed(0)
    first, state = Sobol(3).draw(8, generator), generator.get_state()
    second = Sobol(3).draw(8, generator)
    assert not torch.equal(first, second)
    assert torch.equal(Sobol(3).draw(8, Generator().set_state(state)), second)


def test_the_grid_is_that_of_dirichlet():
    assert torch.equal(Sobol(3).grid(10), simplex_grid(3, 10))


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (3, {"alpha": [1.0, 2.0]}, r"\[sampler\] 'sobol': alpha has 2 entries; give one number or 3 of them\."),
        (2, {"vertices": 0.75, "edges": 0.5}, r"vertices \+ edges must be at most 1, got 0\.75 \+ 0\.5\."),
        (1, {"edges": 0.5}, r"a single objective has no edges, got edges=0\.5; leave it at 0\."),
    ],
)
def test_settings_that_make_no_sense_are_refused(size, settings, message):
    with pytest.raises(ConfigError, match=message):
        Sobol(size, **settings)
