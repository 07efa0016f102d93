"""The search: it comes close to the best tradeoff within the bounds, and measures none twice."""

from __future__ import annotations

import itertools

import pytest
import torch

from moft.engine.choices.search import DialledWeights, Effort, distinct, estimates, scattered, search
from moft.engine.choices.selection import Candidates
from moft.engine.choices.wish import Bound, Maximise, Wish

DIALS = (0.125, 64.0)
NAMES = ("first", "second", "main")


def truth(places):
    """`[n, 3]`: both objectives rise with their weight and the strength, and the main one falls with the strength."""
    weights, strength = places.weights.double(), 1 / (1 + places.dials.double())
    gain = strength.unsqueeze(1) * weights.sqrt()
    return torch.cat([gain, (1 - strength**2).unsqueeze(1)], 1)


class Meter:
    """Measures with little noise, and remembers what was asked for."""

    def __init__(self, spread=0.01, lists=50):
        generator = torch.Generator().manual_seed(0)
        self.noise, self.asked = spread * torch.randn(lists, 3, generator=generator, dtype=torch.float64), []

    def __call__(self, places):
        self.asked += [(*row, dial) for row, dial in zip(places.weights.tolist(), places.dials.tolist(), strict=True)]
        base = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
        noise = self.noise - self.noise.mean(0)
        return Candidates.of(NAMES, truth(places).unsqueeze(1) + noise, base + noise)


def same(places):
    return places


def effort(first=60, rounds=3, each=8, **changes):
    places = scattered(2, first, changes.get("dials", DIALS), 0, vertices=changes.pop("vertices", (1.0,)))
    return Effort(places, rounds, each, **{"dials": DIALS, "samples": 100, "new_lists": 50, **changes})


def test_the_best_within_a_bound_is_found():
    wish = Wish([Bound("main", 0.75)], Maximise(0))
    found = search(Meter(), same, wish, effort())
    assert found.selected.is_promised
    means = found.candidates.means[found.selected.row]
    assert means[2] >= 0.75
    assert means[0] >= 0.96 * 0.5  # at the weights (1, 0) and a strength of 1/2


def test_the_best_within_two_bounds_is_found():
    wish = Wish([Bound("main", 0.6), Bound("second", 0.3)], Maximise(0))
    found = search(Meter(), same, wish, effort())
    strength = 0.4**0.5
    best = (strength**2 - 0.3**2) ** 0.5
    means = found.candidates.means[found.selected.row]
    assert found.selected.is_promised
    assert (means[1:] >= torch.tensor([0.3, 0.6])).all()
    assert means[0] >= 0.93 * best


def test_no_tradeoff_is_measured_twice():
    meter = Meter()
    found = search(meter, same, Wish([Bound("main", 0.75)], Maximise(0)), effort())
    assert len(meter.asked) == len(set(meter.asked)) == len(found.places) == 60 + 3 * 8


def test_a_policy_that_serves_few_weights_measures_each_once_at_a_dial():
    grid = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])

    def served(places):
        return DialledWeights(grid[torch.cdist(places.weights, grid).argmin(1)], places.dials)

    meter = Meter()
    found = search(meter, served, Wish([Bound("main", 0.75)], Maximise(0)), effort())
    assert len(meter.asked) == len(set(meter.asked))
    assert {row[:2] for row in meter.asked} <= {tuple(row) for row in grid.tolist()}
    assert found.selected.is_promised
    assert found.candidates.means[found.selected.row, 0] >= 0.9 * 0.5


def test_a_policy_that_serves_one_tradeoff_at_one_dial_ends():
    meter = Meter()

    def served(places):
        return DialledWeights(torch.full_like(places.weights, 0.5), places.dials)

    found = search(meter, served, Wish([], Maximise(0)), effort(dials=(1.0, 1.0)))
    assert (len(meter.asked), len(found.places)) == (1, 1)


def test_the_same_search_finds_the_same():
    wish = Wish([Bound("main", 0.75)], Maximise(1))
    first, again = (search(Meter(), same, wish, effort()) for _ in range(2))
    assert first.selected.row == again.selected.row
    assert first.places.weights.equal(again.places.weights)


@pytest.mark.parametrize("count", [4, 5, 7])
def test_a_small_effort_measures_that_many(count):
    meter = Meter()
    search(meter, same, Wish([Bound("main", 0.5)], Maximise(0)), effort(first=count, rounds=0))
    assert len(meter.asked) == count


@pytest.mark.parametrize("dials", [DIALS, (1.0, 1.0), (1e-6, 2e-6), (1e-6, 1e6), (9e5, 1e6), (0.3, 0.300001)])
def test_what_is_drawn_lies_on_the_simplex_and_between_the_dials(dials):
    places = scattered(4, 200, dials, 0, vertices=dials)
    assert len(places) == 200
    torch.testing.assert_close(places.weights.sum(1), torch.ones(200))
    assert (places.weights >= 0).all()
    low, high = torch.tensor(dials)
    assert ((places.dials >= low) & (places.dials <= high)).all()


@pytest.mark.parametrize("dials", [(1e-6, 2e-6), (1e-6, 1e6), (9e5, 1e6)])
def test_a_search_stays_between_the_dials(dials):
    meter = Meter()
    found = search(meter, same, Wish([Bound("main", 0.75)], Maximise(0)), effort(dials=dials, vertices=()))
    assert all(dials[0] * 0.999 <= row[-1] <= dials[1] * 1.001 for row in meter.asked)
    assert torch.isfinite(estimates(found, effort(dials=dials, vertices=())).means).all()


def test_places_are_told_apart_by_weights_and_dial():
    weights, dials = torch.tensor([[1.0, 0], [0, 1], [1, 0], [1, 0]]), torch.tensor([1.0, 1, 1, 2])
    found = distinct(DialledWeights(weights, dials))
    assert (found.weights.tolist(), found.dials.tolist()) == ([[1, 0], [0, 1], [1, 0]], [1, 1, 2])


def test_the_outlook_counts_what_was_measured_and_what_was_predicted():
    found = search(Meter(), same, Wish([Bound("main", 0.75)], Maximise(0)), effort())
    known = estimates(found, effort())
    assert len(known.means) == len(known.spread) > len(found.places)
    safety, goal = known.safety_and_goal(found.candidates, Wish([Bound("main", 0.75)], Maximise(0)))
    measured = safety[-len(found.places) :]
    torch.testing.assert_close(measured, found.rule.safety, rtol=1e-6, atol=1e-6)
    assert goal[-len(found.places) :].equal(found.rule.goal)


def test_weights_near_the_faces_are_among_those_drawn():
    places = scattered(3, 400, DIALS, 0)
    near = (places.weights.amin(1) < 0.01).sum().item()
    inside = (places.weights.amin(1) > 0.1).sum().item()
    assert near > 50
    assert inside > 50
    rows = list(itertools.chain(places.weights.tolist()))
    assert len({tuple(row) for row in rows}) == 400
