"""Adaptive draws keep the contract, go where the front has gaps or ignores the weights, and leave no region."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, tensor
from torch.testing import assert_close

from moft import ConfigError
from moft.testing import check_sampler
from moft_samplers.adaptive import Adaptive, neighbours, scores_of
from moft_samplers.dirichlet import Dirichlet
from moft_samplers.fixed import Fixed
from moft_samplers.simplex_grid import simplex_grid
from moft_samplers.sobol import Sobol

COUNT = 20_000
LINE = simplex_grid(2, 5)  # from (1, 0) to (0, 1)


def _adaptive(size=2, **settings):
    return Adaptive(size, **{"base": Dirichlet, "watched": 5, **settings})


def _draws(sampler):
    return sampler.draw(COUNT, Generator().manual_seed(0))


@pytest.mark.parametrize("toward", ["gaps", "ignored"])
def test_adaptive_keeps_the_contract(toward):
    check_sampler(lambda size: Adaptive(size, base=Dirichlet, toward=toward), sizes=(1, 2, 3, 5))
    check_sampler(lambda size: Adaptive(size, base=Sobol, toward=toward, floor=0.0), sizes=(2, 3))


def test_before_anything_is_told_draws_are_those_of_the_base():
    assert torch.equal(_draws(_adaptive()), _draws(Dirichlet(2)))


def test_neighbours_on_a_line_follow_each_other():
    first, second = neighbours(LINE)
    assert [first.tolist(), second.tolist()] == [[0, 1, 2, 3], [1, 2, 3, 4]]


def test_neighbours_on_a_triangle_of_nine_parts_are_its_edges():
    lattice = torch.tensor([[a, b, 3 - a - b] for a in range(4) for b in range(4 - a)]) / 3
    first, second = neighbours(lattice)
    assert len(first) == 18
    assert_close((lattice[first] - lattice[second]).norm(dim=-1), torch.full((18,), 2**0.5 / 3))


def test_gaps_score_the_distance_of_values_in_units_of_their_range():
    values = tensor([[4.0, 0.0], [3.0, 10.0], [3.0, 10.0], [2.0, 30.0], [0.0, 40.0]])
    steps = (values[1:] / tensor([4.0, 40.0]) - values[:-1] / tensor([4.0, 40.0])).norm(dim=-1)  # [4]
    expected = torch.stack([steps[0], *((steps[1:] + steps[:-1]) / 2), steps[3]])
    assert_close(scores_of(LINE, values, "gaps"), expected.double())


def test_what_is_ignored_scores_by_how_little_values_follow_weights():
    values = tensor([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.75, 0.25], [0.0, 1.0]])
    asked = tensor([-1.0, 1.0]) / 2**0.5
    along = ((values[1:] - values[:-1]) * asked).sum(-1)  # follows, stays, goes against, follows
    steps = (-along / along.abs().mean()).exp()
    assert steps[2] > steps[1] == 1 > steps[0] > steps[3]
    expected = torch.stack([steps[0], *((steps[1:] + steps[:-1]) / 2), steps[3]])
    assert_close(scores_of(LINE, values, "ignored"), expected.double())


def test_values_that_nobody_measured_and_those_that_never_change_say_nothing():
    nothing = torch.full((5, 2), torch.nan)
    assert scores_of(LINE, nothing, "gaps").tolist() == [0.0] * 5
    assert scores_of(LINE, torch.ones(5, 2), "ignored").tolist() == [0.0] * 5
    half = torch.stack([torch.linspace(1, 0, 5), nothing[:, 0]], dim=1)
    assert_close(scores_of(LINE, half, "gaps"), torch.full((5,), 0.25).double())
    sampler = _adaptive()
    sampler.observe(nothing)
    assert torch.equal(_draws(sampler), _draws(Dirichlet(2)))


@pytest.mark.parametrize("floor", [0.0, 0.3, 1.0])
def test_a_share_of_the_draws_stays_plain(floor):
    sampler = _adaptive(floor=floor)
    sampler.observe(tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))  # all of the gap is at the end
    is_near = (_draws(sampler)[:, 1] > 0.625).double()  # nearest to one of the last two points
    plain = 3 / 8
    # an adapted draw is elsewhere when all of its eight candidates are
    expected = floor * plain + (1 - floor) * (1 - (1 - plain) ** 8)
    assert_close(is_near.mean(), tensor(expected).double(), rtol=0, atol=0.01)


def test_where_all_score_alike_the_mean_is_that_of_the_base():
    sampler = _adaptive(base=lambda size: Dirichlet(size, alpha=[1.0, 3.0]))
    sampler.observe(LINE)
    assert_close(_draws(sampler).mean(0), tensor([0.25, 0.75]), rtol=0, atol=0.01)


def test_a_symmetric_gap_leaves_the_mean_and_gathers_draws_there():
    values = tensor([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]])
    sampler = _adaptive()
    sampler.observe(values)
    drawn, plain = _draws(sampler), _draws(Dirichlet(2))
    assert_close(drawn.mean(0), torch.full((2,), 0.5), rtol=0, atol=0.01)
    assert drawn.var(0).sum() < plain.var(0).sum()


def test_the_grid_and_the_watched_weights_are_the_grid_of_the_base():
    assert torch.equal(_adaptive(3, watched=None).watched_weights(), simplex_grid(3, 11))
    assert torch.equal(_adaptive(3).grid(8), simplex_grid(3, 8))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (
            lambda size: Adaptive(size, base=Dirichlet),
            r"\[sampler\] 'adaptive': base is adaptive itself; use another sampler",
        ),
        (lambda size: Fixed(size, value=[0.5, 0.5]), r"the grid of base has one point; it needs at least two to compare\."),
    ],
)
def test_a_base_that_does_not_serve_is_refused(base, message):
    with pytest.raises(ConfigError, match=message):
        Adaptive(2, base=base)
