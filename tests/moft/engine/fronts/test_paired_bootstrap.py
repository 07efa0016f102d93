"""Paired differences: how often equal runs are told apart, whether unequal ones are, and what both agree with."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from scipy import stats

from moft import ConfigError, ShapeError
from moft.engine.fronts.bootstrap import bootstrap_means, resampled
from moft.engine.fronts.paired_bootstrap import normal_of_student, paired_differences, student_of_normal

LEVEL = 0.95


def measured(values, counts):
    """`[1, runs]` and `[samples, 1, runs]`: means over the lists of `values [runs, lists]`, NaN left out."""
    return values.double().nanmean(1).unsqueeze(0), bootstrap_means(values.unsqueeze(-1), counts).squeeze(-1).unsqueeze(1)


def of_lists(values, samples=1000):
    return paired_differences(*measured(values, resampled(values.shape[1], samples, seed=0)), values.shape[1], LEVEL)


def noise(runs, lists, seed=0, shared=1.0):
    """`[runs, lists]`: what the runs share of a list, and what is their own."""
    generator = torch.Generator().manual_seed(seed)
    return shared * torch.randn(1, lists, generator=generator) + torch.randn(runs, lists, generator=generator)


def test_equal_runs_are_told_apart_as_rarely_as_the_level_says():
    counts, worlds = resampled(60, 200, seed=0), 300
    told = 0
    for seed in range(worlds):
        found = paired_differences(*measured(noise(6, 60, seed=seed), counts), 60, LEVEL)
        told += any(difference.is_significant for difference in found)
    expected = 1 - LEVEL
    error = math.sqrt(expected * LEVEL / worlds)
    assert expected - 3 * error < told / worlds < expected + 3 * error


def test_few_lists_are_told_apart_as_rarely():
    counts, worlds = resampled(8, 300, seed=0), 300
    told = 0
    for seed in range(worlds):
        found = paired_differences(*measured(noise(2, 8, seed=seed), counts), 8, LEVEL)
        told += found[0].is_significant
    expected = 1 - LEVEL
    assert told / worlds < expected + 3 * math.sqrt(expected * LEVEL / worlds)


@pytest.mark.parametrize("degrees", [2, 5, 30, 1000])
def test_student_s_deviates_become_normal_ones_as_unlikely(degrees):
    student = torch.linspace(0, 6, 25, dtype=torch.float64)
    expected = torch.from_numpy(stats.norm.isf(stats.t.sf(student, degrees)))
    torch.testing.assert_close(normal_of_student(student, degrees), expected, atol=0.02, rtol=0.03)
    torch.testing.assert_close(student_of_normal(normal_of_student(student, degrees), degrees), student)


def test_equal_runs_are_rarely_told_apart_among_unequal_ones():
    counts, worlds = resampled(60, 200, seed=0), 200
    shift = torch.tensor([[0.0], [0.0], [0.0], [5.0], [5.0]])
    told = 0
    for seed in range(worlds):
        found = paired_differences(*measured(noise(5, 60, seed=seed) + shift, counts), 60, LEVEL)
        equal = [d for d in found if shift[d.first] == shift[d.second]]
        assert all(d.is_significant for d in found if d not in equal)
        told += any(difference.is_significant for difference in equal)
    expected = 1 - LEVEL
    assert told / worlds < expected + 3 * math.sqrt(expected * LEVEL / worlds)


def test_a_run_that_differs_is_told_apart_from_each_of_seven_others():
    values = noise(8, 200)
    values[3] += 1.0
    distinct = {(d.first, d.second) for d in of_lists(values) if d.is_significant}
    assert distinct == {pair for pair in combinations(range(8), 2) if 3 in pair}


def test_a_difference_that_every_list_shows_is_seen_beneath_a_large_spread_between_lists():
    values = noise(1, 50, shared=100.0).repeat(2, 1) + 0.1 * noise(2, 50, seed=1, shared=0.0)
    values[0] += 0.2
    assert of_lists(values)[0].is_significant


def test_the_first_step_is_the_largest_studentised_difference_against_the_largest_of_every_sample():
    estimates, samples = measured(noise(3, 60), resampled(60, 999, seed=0))
    found = paired_differences(estimates, samples, 60, LEVEL)
    pairs = list(combinations(range(3), 2))
    gaps = torch.stack([estimates[0, i] - estimates[0, j] for i, j in pairs])
    drawn = torch.stack([samples[:, 0, i] - samples[:, 0, j] for i, j in pairs], dim=1)
    deviation = drawn.std(0)
    largest = ((drawn - gaps).abs() / deviation).amax(1)
    wider = deviation * math.sqrt(60 / 59)
    top = int((gaps.abs() / deviation).argmax())
    observed = normal_of_student(gaps[top].abs() / wider[top], 59)
    assert found[top].p == pytest.approx((1 + (largest >= observed).sum().item()) / 1000)
    width = student_of_normal(largest.sort(descending=True).values[49], 59) * wider[top]
    assert (found[top].low, found[top].high) == pytest.approx(((gaps[top] - width).item(), (gaps[top] + width).item()))


def test_a_later_step_asks_less_than_the_first():
    values = noise(4, 100)
    values[0] += 10.0
    alone = of_lists(values[1:])
    among = [difference for difference in of_lists(values) if difference.first > 0]
    for before, after in zip(alone, among, strict=True):
        assert (after.low, after.high, after.p) == pytest.approx((before.low, before.high, before.p))


def test_verdict_interval_and_p_value_agree():
    values = noise(8, 100) + 0.15 * torch.arange(8).unsqueeze(1)
    found = of_lists(values)
    assert {difference.is_significant for difference in found} == {True, False}
    for difference in found:
        assert difference.is_significant == (difference.p <= 1 - LEVEL) == (not difference.low <= 0 <= difference.high)
        assert difference.low <= difference.value <= difference.high


def test_turning_the_order_of_the_runs_turns_every_sign():
    values = noise(4, 80) + 0.2 * torch.arange(4).unsqueeze(1)
    there = {(d.first, d.second): d for d in of_lists(values)}
    for back in of_lists(values.flip(0)):
        other = there[3 - back.second, 3 - back.first]
        assert (back.value, back.low, back.high) == pytest.approx((-other.value, -other.high, -other.low))
        assert (back.p, back.is_significant) == (other.p, other.is_significant)


def test_a_run_is_never_told_apart_from_itself():
    values = noise(1, 50).repeat(3, 1)
    values[2] += 1e-15  # rounding
    for difference in of_lists(values):
        assert (difference.is_significant, difference.p) == (False, 1.0)
    assert of_lists(values)[0].value == 0.0


def test_one_list_tells_nothing_apart():
    assert not of_lists(torch.tensor([[0.0], [1.0]]))[0].is_significant


def test_a_list_that_says_nothing_changes_nothing():
    values = noise(3, 40)
    silent = torch.cat([values, torch.full((3, 1), math.nan)], dim=1)
    counts = resampled(40, 300, seed=0)
    counts = torch.cat([counts, counts[:, :1]], dim=1)
    assert paired_differences(*measured(silent, counts), 40) == paired_differences(*measured(values, counts[:, :-1]), 40)


def test_a_sample_in_which_nothing_is_measured_is_left_out():
    estimates, samples = measured(noise(3, 40), resampled(40, 300, seed=0))
    holed = samples.clone()
    holed[::10, 0, 1] = math.nan
    kept = samples[[index for index in range(300) if index % 10]]
    assert paired_differences(estimates, holed, 40) == paired_differences(estimates, kept, 40)


def test_a_measure_that_is_nowhere_taken_leaves_the_other_as_it_is():
    estimates, samples = measured(noise(3, 40), resampled(40, 300, seed=0))
    nothing = torch.full_like(estimates, math.nan), torch.full_like(samples, math.nan)
    found = paired_differences(torch.cat([estimates, nothing[0]]), torch.cat([samples, nothing[1]], dim=1), 40)
    assert found[:3] == paired_differences(estimates, samples, 40)
    assert all(math.isnan(d.value) and math.isnan(d.p) and not d.is_significant for d in found[3:])


def test_two_measures_are_one_family():
    estimates, samples = measured(noise(4, 80) + 0.2 * torch.arange(4).unsqueeze(1), resampled(80, 500, seed=0))
    alone = paired_differences(estimates, samples, 80)
    other = measured(noise(4, 80, seed=1), resampled(80, 500, seed=0))
    both = paired_differences(torch.cat([estimates, other[0]]), torch.cat([samples, other[1]], dim=1), 80)
    assert [d.measure for d in both] == [0] * 6 + [1] * 6
    assert all(together.p >= single.p for together, single in zip(both, alone, strict=False))
    assert any(together.p > single.p for together, single in zip(both, alone, strict=False))


def test_too_few_samples_tell_nothing_apart():
    values = noise(2, 50) + torch.tensor([[10.0], [0.0]])
    found = of_lists(values, samples=18)[0]
    assert not found.is_significant
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert of_lists(values, samples=19)[0].is_significant


def test_one_run_has_no_pair():
    assert of_lists(noise(1, 10)) == []


def test_a_level_outside_zero_and_one_is_refused():
    estimates, samples = measured(noise(2, 10), resampled(10, 20, seed=0))
    with pytest.raises(ConfigError, match=r"above 0 and below 1, got 1\.5"):
        paired_differences(estimates, samples, 10, 1.5)


def test_samples_of_other_runs_are_refused():
    with pytest.raises(ShapeError, match=r"got \[1, 3\] and \[5, 1, 2\]"):
        paired_differences(torch.zeros(1, 3), torch.zeros(5, 1, 2), 10)
