"""The selection: it keeps its confidence on new lists, and says so when it cannot."""

from __future__ import annotations

import math
import time

import pytest
import torch

from moft.engine.choices.selection import Candidates, rule_of, select
from moft.engine.choices.wish import Bound, Like, Maximise, Shares, Wish

LEVELS = torch.linspace(0, 1, 41)


def candidates(values, base=None, weights=None, names=("bound", "goal")):
    values = torch.as_tensor(values, dtype=torch.float64)
    base = values[0] if base is None else torch.as_tensor(base, dtype=torch.float64)
    return Candidates.of(names, values, base, weights)


def chosen(values, wish, *, base=None, weights=None, new_lists=None, samples=300, names=("bound", "goal")):
    rule = rule_of(candidates(values, base, weights, names), wish, samples=samples, new_lists=new_lists)
    return select(rule, wish.confidence)


def line(lists, seed, spread=1.0):
    """`[41, lists, 2]`: one outcome falls where the other one rises, with noise that each tradeoff has of its own."""
    generator = torch.Generator().manual_seed(seed)
    shared, own = torch.randn(lists, 2, generator=generator), torch.randn(41, lists, 2, generator=generator)
    return torch.stack([1 - LEVELS, LEVELS], dim=-1).unsqueeze(1) + spread * (0.5 * shared + 0.3 * own)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_bounds_hold_on_new_lists_as_often_as_asked_and_the_naive_choice_misses_them(confidence):
    held, naive, reached = [], [], []
    for seed in range(70):
        bound = Bound("bound", 0.3 + 0.4 * (seed % 10) / 10)
        values, fresh = line(60, seed), line(60, 1000 + seed)
        found = chosen(values, Wish([bound], Maximise(1), confidence), new_lists=60, samples=200)
        means, new = values.mean(1), fresh.mean(1)
        kept = means[:, 1].masked_fill(means[:, 0] < bound.value, -math.inf)
        held.append(float(new[found.row, 0] >= bound.value))
        naive.append(float(new[kept.argmax(), 0] >= bound.value))
        assert found.is_promised
        reached.append(LEVELS[found.row].item() / (1 - bound.value))
    error = (confidence * (1 - confidence) / len(held)) ** 0.5
    assert sum(held) / len(held) >= confidence - 3 * error
    assert sum(naive) / len(naive) < confidence - 3 * error
    assert 0.4 < sum(reached) / len(reached) < 1  # it gives the goal no more away than the noise asks for


def test_a_higher_confidence_never_takes_a_less_safe_tradeoff():
    values = line(60, 1)
    rule = rule_of(candidates(values), Wish([Bound("bound", 0.5)], Maximise(1)), samples=300, new_lists=60)
    rows = [select(rule, confidence).row for confidence in (0.5, 0.8, 0.9, 0.95, 0.99)]
    assert rule.safety[rows].tolist() == sorted(rule.safety[rows].tolist())
    assert rule.goal[rows].tolist() == sorted(rule.goal[rows].tolist(), reverse=True)


def test_more_new_lists_ask_for_a_smaller_margin():
    values, wish = line(60, 1), Wish([Bound("bound", 0.5)], Maximise(1), 0.95)
    few, many, all_that_come = (chosen(values, wish, new_lists=new, samples=1000).row for new in (5, 10_000, None))
    assert few < many  # rows are ordered by the goal
    assert abs(many - all_that_come) <= 2


def test_any_number_of_new_lists_takes_no_longer():
    began = time.monotonic()
    found = chosen(line(60, 1), Wish([Bound("bound", 0.5)], Maximise(1)), new_lists=10_000_000, samples=1000)
    assert found.is_promised
    assert time.monotonic() - began < 2


def test_without_bounds_the_largest_goal_is_taken():
    values = line(20, 0)
    found = chosen(values, Wish([], Maximise(1)))
    assert (found.row, found.is_promised, found.confidence, len(found.holds)) == (
        values.mean(1)[:, 1].argmax().item(),
        True,
        1,
        0,
    )


def test_what_nothing_keeps_is_not_promised_and_the_safest_is_taken():
    values = line(60, 0, spread=0.1)
    found = chosen(values, Wish([Bound("bound", 5.0)], Maximise(1)))
    assert found.row <= 2
    assert (found.is_promised, found.confidence, found.holds.tolist()) == (False, 0.0, [0.0])
    assert found.margin < 0


def test_of_bounds_that_exclude_each_other_the_tradeoff_that_misses_both_by_the_least_is_taken():
    found = chosen(line(60, 0, spread=0.05), Wish([Bound("bound", 0.7), Bound("goal", 0.7)], Maximise(1)))
    assert abs(found.row - 20) <= 1
    assert not found.is_promised


@pytest.mark.parametrize("confidence", [1e-6, 0.3, 0.5, 0.999999])
def test_extreme_confidences_are_taken(confidence):
    found = chosen(line(60, 0), Wish([Bound("bound", 0.5)], Maximise(1), confidence))
    assert 0 <= found.confidence <= 1
    assert found.is_promised == (found.confidence >= confidence)


def test_lists_that_are_all_alike_leave_no_doubt():
    values = torch.tensor([[0.2, 0.9], [0.42, 0.5], [0.8, 0.1]], dtype=torch.float64).unsqueeze(1).expand(-1, 30, -1)
    found = chosen(values, Wish([Bound("bound", 0.42)], Maximise(1)), new_lists=30)
    assert (found.row, found.is_promised, found.confidence) == (1, True, 1 - 1 / 301)


def test_the_base_itself_keeps_all_of_the_base():
    values = line(30, 0)
    found = chosen(values, Wish([Bound("bound", 1.0, "base")], Maximise(1)), base=values[20], new_lists=30)
    assert found.row == 20 or found.is_promised
    only = chosen(values[20:21], Wish([Bound("bound", 1.0, "base")], Maximise(1)), base=values[20], new_lists=30)
    assert (only.is_promised, only.confidence) == (True, 1 - 1 / 301)


def test_a_share_of_the_base_is_compared_list_by_list():
    noise = torch.randn(30, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 10
    values = torch.stack([torch.stack([noise * share, torch.full_like(noise, 1 - share)], -1) for share in (1.0, 0.95, 0.85)])
    found = chosen(values, Wish([Bound("bound", 0.9, "base")], Maximise(1)), base=values[0], new_lists=30)
    assert (found.row, found.is_promised, found.confidence) == (1, True, 1 - 1 / 301)  # whatever the queries are like


def test_a_share_of_the_best_is_one_of_the_tradeoff_with_the_best_mean():
    values = line(60, 0, spread=0.01)
    measured = candidates(values)
    assert measured.threshold(Bound("bound", 0.5, "best")) == pytest.approx(0.5 * measured.means[:, 0].max().item())
    assert measured.threshold(Bound("bound", 0.4)) == pytest.approx(0.4)


def test_lists_without_a_value_are_left_out():
    values, wish = line(60, 0, spread=0.1), Wish([Bound("bound", 0.5)], Maximise(1))
    gone = torch.full((41, 25, 2), math.nan, dtype=torch.float64)
    with_gaps = torch.cat([values, gone], 1)
    few, many = chosen(values, wish, samples=1000), chosen(with_gaps, wish, samples=1000)
    assert few.is_promised
    assert many.is_promised
    assert abs(few.row - many.row) <= 2
    assert torch.isfinite(many.holds).all()


def test_one_value_in_many_lists_promises_nothing():
    values = torch.full((3, 30, 2), math.nan, dtype=torch.float64)
    values[:, 0] = torch.tensor([[0.6, 0.1], [0.5, 0.2], [0.4, 0.3]])
    found = chosen(values, Wish([Bound("bound", 0.45)], Maximise(1)), new_lists=30)
    assert math.isfinite(found.margin)
    assert 0 <= found.confidence <= 1
    assert not found.is_promised


def test_lists_that_count_twice_are_as_two_of_them():
    values, wish = line(40, 3, spread=0.2), Wish([Bound("bound", 0.5)], Maximise(1), 0.9)
    weights = torch.ones(40)
    weights[:20] = 0
    first = candidates(values, weights=weights)
    torch.testing.assert_close(first.means, values[:, 20:].double().mean(1))
    found = chosen(values, wish, weights=weights)
    assert found.is_promised
    assert first.means[found.row, 0] > 0.5


def test_shares_are_filled_in_proportion():
    names, points = ("a", "b"), torch.stack([1 - LEVELS, LEVELS], -1).double()
    goal = Shares({0: 75, 1: 25}).of(points, points.amin(0), points.amax(0))
    assert LEVELS[goal.argmax()].item() == pytest.approx(0.25)
    scaled = Shares({0: 3, 1: 1}).of(points * 100, points.amin(0) * 100, points.amax(0) * 100)
    assert scaled.argmax() == goal.argmax()
    assert chosen(points.unsqueeze(1).expand(-1, 5, -1), Wish([], Shares({0: 75, 1: 25})), names=names).row == 10


def test_an_outcome_that_never_changes_leaves_the_others_alone():
    points = torch.stack([torch.full_like(LEVELS, 0.3), LEVELS], -1).double()
    low, high = points.amin(0), points.amax(0)
    for goal in (Shares({0: 1, 1: 1}), Like({0: 0.3, 1: 0.5})):
        assert torch.isfinite(goal.of(points, low, high)).all()
    assert Like({0: 0.3, 1: 0.5}).of(points, low, high).argmax() == 20


def test_like_comes_as_close_as_it_can_in_shares_of_the_ranges():
    points = torch.stack([1000 * (1 - LEVELS), LEVELS], -1).double()
    found = Like({0: 700.0, 1: 0.3}).of(points, points.amin(0), points.amax(0))
    assert LEVELS[found.argmax()].item() == pytest.approx(0.3)
    assert found.max().item() == pytest.approx(0, abs=1e-6)


def test_few_lists_promise_no_more_than_the_sign_test():
    found = chosen(line(4, 0)[20:21], Wish([Bound("bound", -10.0)], Maximise(1)), new_lists=30)
    assert found.confidence == 1 - 0.5**4
    assert found.holds.tolist() == [1 - 0.5**4]


def test_where_nothing_keeps_the_bounds_the_one_that_misses_them_by_the_least_is_taken():
    steady, loose = torch.full((30,), 0.5), torch.tensor([0.0, 1.6] * 15)  # means 0.5 and 0.8, the first without spread
    values = torch.stack([torch.stack([own, own * 0], -1) for own in (steady + torch.linspace(0, 1e-3, 30), loose)]).double()
    found = chosen(values, Wish([Bound("bound", 0.9)], Maximise(1)), new_lists=30)
    assert (found.row, found.is_promised) == (1, False)


def test_a_tradeoff_just_beyond_the_bound_is_promised_no_more_for_safe_ones_that_samples_would_take():
    noise = torch.randn(100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    excess = torch.tensor([0.001, 1.0], dtype=torch.float64)
    values = torch.stack([excess[:, None] + noise - noise.mean(), -excess[:, None].expand(2, 100)], dim=-1)
    found = chosen(values, Wish([Bound("bound", 0.0)], Maximise(1), 0.7), new_lists=100)
    assert (found.row, found.is_promised) == (1, True)  # new lists are below 0.001 half of the time
