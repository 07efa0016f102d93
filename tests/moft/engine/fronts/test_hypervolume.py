"""The statistics of a front agree with closed forms, with other computations, and with themselves."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import nan, tensor
from torch.testing import assert_close

from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, interval, resampled
from moft.engine.fronts.hypervolume import (
    hypervolume,
    hypervolume_error,
    hypervolume_method,
    nondominated,
    sample_directions,
    volume_above,
)
from moft.errors import ConfigError, ShapeError
from moft.types import list_mean


def _random_front(n, m, seed=0):
    return torch.rand(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _inclusion_exclusion(points, reference):
    boxes = (points - reference).clamp(min=0)
    total = 0.0
    for size in range(1, len(points) + 1):
        for chosen in combinations(range(len(points)), size):
            total += (-1) ** (size + 1) * float(boxes[list(chosen)].amin(0).prod())
    return total


def test_nondominated_points_are_those_no_other_beats():
    points = tensor([[1.0, 1.0], [2.0, 0.0], [1.0, 0.5], [0.0, 2.0], [2.0, 0.0], [-1.0, -1.0]])
    assert nondominated(points).tolist() == [True, True, False, True, True, False]


def test_nondominated_agrees_with_a_plain_loop():
    points = (_random_front(40, 3) * 4).round()
    expected = [not any(bool((other >= point).all()) and bool((other > point).any()) for other in points) for point in points]
    assert nondominated(points).tolist() == expected


def test_a_point_with_nan_is_not_on_the_front_and_dominates_nothing():
    assert nondominated(tensor([[nan, 9.0], [1.0, 1.0]])).tolist() == [False, True]


@pytest.mark.parametrize("n", [2, 3, 11])
def test_the_volume_of_an_even_straight_front_is_its_closed_form(n):
    first = torch.linspace(0, 1, n, dtype=torch.float64)
    points = torch.stack([first, 1 - first], dim=1)
    assert hypervolume(points, torch.zeros(2)) == pytest.approx((n - 2) / (2 * (n - 1)))


@pytest.mark.parametrize(("m", "tolerance"), [(1, 1e-9), (2, 1e-9), (5, 1e-9), (6, 1e-9), (7, 1e-2), (9, 1e-2)])
def test_a_cube_with_one_arm_for_each_objective_has_its_closed_form(m, tolerance):
    side = 0.6
    points = torch.full((m, m), side, dtype=torch.float64).fill_diagonal_(1.0)
    expected = side**m + m * (1 - side) * side ** (m - 1)
    assert hypervolume(points, torch.zeros(m)) == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_the_volume_agrees_with_two_libraries_and_with_inclusion_and_exclusion(m):
    import moocore
    from pymoo.indicators.hv import HV

    points, reference = _random_front(7, m), torch.full((m,), 0.1, dtype=torch.float64)
    found = hypervolume(points, reference)
    assert found == pytest.approx(_inclusion_exclusion(points, reference))
    assert found == pytest.approx(moocore.hypervolume(points.numpy(), ref=reference.numpy(), maximise=True))
    assert found == pytest.approx(float(HV(ref_point=-reference.numpy())(-points.numpy())))


def test_the_approximated_volume_is_close_to_the_exact_one_and_says_so():
    points, reference = _random_front(8, 7), torch.zeros(7)
    assert hypervolume_method(8, 6, 1000, 0.0) == "exact"
    assert hypervolume_method(8, 7, 1000, 0.001).startswith("approximate")
    assert hypervolume(points, reference) == pytest.approx(_inclusion_exclusion(points, reference), rel=1e-2)
    assert hypervolume(points, reference) == hypervolume(points, reference)


def test_dominated_and_repeated_points_add_no_volume():
    points = _random_front(6, 3)
    more = torch.cat([points, points[:2], points[:1] / 2])
    assert hypervolume(more, torch.zeros(3)) == pytest.approx(hypervolume(points, torch.zeros(3)))


def test_volume_scales_with_every_objective_and_moves_with_the_reference():
    points, scale, shift = _random_front(6, 3), tensor([2.0, 3.0, 0.5]), tensor([1.0, -2.0, 5.0])
    volume = hypervolume(points, torch.zeros(3))
    assert hypervolume(points * scale + shift, shift) == pytest.approx(volume * float(scale.prod()))


def test_points_that_do_not_beat_the_reference_have_no_volume():
    assert hypervolume(tensor([[2.0, -1.0], [-1.0, 2.0]]), torch.zeros(2)) == 0
    assert hypervolume(torch.zeros(0, 2), torch.zeros(2)) == 0


def test_a_value_that_is_nan_makes_the_volume_nan():
    assert hypervolume(tensor([[1.0, nan]]), torch.zeros(2)) != hypervolume(tensor([[1.0, 1.0]]), torch.zeros(2))
    assert torch.tensor(hypervolume(tensor([[1.0, nan]]), torch.zeros(2))).isnan()


def test_disagreeing_shapes_are_named():
    with pytest.raises(ShapeError, match=r"\[4, 3\] and \[2\]: they need the same m"):
        hypervolume(torch.rand(4, 3), torch.zeros(2))
    with pytest.raises(ShapeError, match=r"points must be \[n, m\], got \[4\]"):
        nondominated(torch.rand(4))
    with pytest.raises(ShapeError, match=r"got \[2, 5, 3\] and \[9, 4\]"):
        bootstrap_means(torch.rand(2, 5, 3), torch.ones(9, 4))
    with pytest.raises(ShapeError, match=r"3 entries, one for each objective, got \[2\]"):
        bootstrap_hypervolume(torch.rand(2, 5, 3), torch.ones(9, 5), torch.zeros(2))
    with pytest.raises(ShapeError, match="at least one list, got 0"):
        resampled(0, 10, 0)


def test_samples_draw_as_many_lists_as_there_are_and_each_equally_often():
    counts = resampled(50, 400, seed=0)
    assert counts.shape == (400, 50)
    assert (counts.sum(1) == 50).all()
    assert_close(counts.mean(0), torch.ones(50), rtol=0, atol=5 / 400**0.5)
    assert_close(counts.var(), tensor(1 - 1 / 50), rtol=0.1, atol=0)  # binomial


def test_a_seed_fixes_the_samples_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    assert_close(resampled(20, 5, seed=3), resampled(20, 5, seed=3))
    assert not torch.equal(resampled(20, 5, seed=3), resampled(20, 5, seed=4))
    assert torch.equal(torch.get_rng_state(), before)


def test_means_of_a_sample_are_nanmeans_of_the_repeated_lists():
    values = _random_front(3 * 8, 2).reshape(3, 8, 2)
    values[:, 1, 0] = nan
    values[:, 4:6, 1] = nan
    counts = resampled(8, 130, seed=0)
    found = bootstrap_means(values, counts)
    for sample in (0, 77, 129):
        rows = torch.arange(8).repeat_interleave(counts[sample].long())
        assert_close(found[sample], values[:, rows].nanmean(dim=1))


def test_a_sample_without_a_list_that_speaks_is_nan_and_left_out_of_the_interval():
    values = tensor([[[1.0], [nan]]])
    counts = tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    means = bootstrap_means(values, counts)
    assert means[:, 0, 0].isnan().tolist() == [False, True, False]
    assert_close(interval(means)[0, 0], tensor([1.0, 1.0], dtype=torch.float64))
    volumes = bootstrap_hypervolume(values, counts, torch.zeros(1))
    assert volumes.isnan().tolist() == [False, True, False]


def test_the_interval_holds_the_share_of_the_samples_asked_for():
    samples = torch.linspace(0, 1, 1001).reshape(-1, 1).expand(-1, 2)
    assert_close(interval(samples, level=0.9), tensor([[0.05, 0.95]] * 2))
    assert interval(samples).shape == (2, 2)
    with pytest.raises(ConfigError, match=r"above 0 and below 1, got 1\.0"):
        interval(samples, level=1.0)


def test_the_interval_of_a_mean_has_the_width_of_its_standard_error():
    lists = 400
    values = torch.randn(1, lists, 1, generator=torch.Generator().manual_seed(0))
    low, high = interval(bootstrap_means(values, resampled(lists, 1000, seed=0)))[0, 0]
    expected = 2 * 1.96 * values.std() / lists**0.5
    assert_close((high - low).float(), expected, rtol=0.1, atol=0)


def test_the_volume_of_each_sample_is_that_of_its_means():
    values = _random_front(11 * 30, 5).reshape(11, 30, 5)
    counts, reference = resampled(30, 20, seed=0), torch.full((5,), 0.2)
    found = bootstrap_hypervolume(values, counts, reference)
    expected = [hypervolume(means, reference) for means in bootstrap_means(values, counts)]
    assert_close(found, tensor(expected, dtype=torch.float64))


def test_samples_of_every_list_once_give_the_front_itself():
    values = _random_front(11 * 30, 2).reshape(11, 30, 2)
    found = bootstrap_hypervolume(values, torch.ones(1, 30), torch.zeros(2))
    assert found.item() == pytest.approx(hypervolume(values.mean(1), torch.zeros(2)))


def _values(n, m, lists=12, seed=0):
    """`[n, lists, m]`, values of many lists around a curved front."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.rand(n, m, generator=generator, dtype=torch.float64)
    front = directions / directions.norm(dim=1, keepdim=True)
    return front.unsqueeze(1) + 0.1 * torch.rand(n, lists, m, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("n", "m"), [(11, 2), (300, 3), (300, 4), (300, 5), (100, 6)])
def test_every_sample_of_a_bootstrap_that_is_quick_is_exact(n, m):
    values, counts, reference = _values(n, m), resampled(12, 3, seed=0), torch.zeros(m)
    assert sample_directions(n, m, 1000) is None
    means = bootstrap_means(values, counts)
    assert bootstrap_hypervolume(values, counts, reference).tolist() == [hypervolume(points, reference) for points in means]
    assert hypervolume_error(values.mean(1), reference) == 0.0


@pytest.mark.parametrize(("n", "m"), [(300, 6), (20, 7), (60, 7)])
def test_an_approximated_bootstrap_agrees_with_the_exact_one(n, m):
    values, counts, reference = _values(n, m), resampled(12, 4, seed=0), torch.zeros(m)
    found = bootstrap_hypervolume(values, counts, reference)
    exact = torch.tensor([volume_above(reference, None)(points) for points in bootstrap_means(values, counts)])
    assert_close(found, exact.double(), rtol=2e-3, atol=0)


@pytest.mark.parametrize("m", [7, 8])
def test_the_stated_error_holds(m):
    points, reference = _values(20, m, seed=m).mean(1), torch.zeros(m)
    exact, error = volume_above(reference, None)(points), hypervolume_error(points, reference)
    assert 0 < error < 0.01 * exact
    assert abs(hypervolume(points, reference) - exact) < 2 * error
    rough = volume_above(reference, 4096)(points)
    assert abs(rough - exact) < 2 * error * (262_144 / 4096) ** 0.5


@pytest.mark.parametrize(
    ("n", "m", "samples"), [(300, 20, 1000), (300, 6, 1000), (21, 7, 1000), (10_000, 7, 1000), (300, 20, 100)]
)
def test_the_work_of_a_bootstrap_is_bounded(n, m, samples):
    directions = sample_directions(n, m, samples)
    assert 1024 <= directions <= 16_384
    assert directions == 1024 or directions * n * m * samples <= 1e10


def test_a_front_without_volume_or_values_has_no_error():
    assert hypervolume_error(-torch.ones(3, 9), torch.zeros(9)) == 0
    assert torch.tensor(hypervolume_error(torch.full((3, 9), nan), torch.zeros(9))).isnan()
    values = -torch.ones(5, 4, 9)
    assert bootstrap_hypervolume(values, resampled(4, 3, seed=0), torch.zeros(9)).tolist() == [0, 0, 0]


def test_the_method_says_what_is_approximate():
    assert hypervolume_method(21, 3, 1000, 0.0) == "exact"
    assert hypervolume_method(300, 6, 1000, 0.0) == "exact; its interval from 5,555 directions for each bootstrap sample"
    assert hypervolume_method(300, 20, 1000, 0.0042) == (
        "approximate, from 262,144 directions (1,666 for each bootstrap sample), standard error 0.0042 of the value"
    )


def test_weighted_lists_count_as_if_they_were_there_several_times():
    values = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(0)).double()
    values[:, 1, 0] = torch.nan
    weights, counts = torch.tensor([1.0, 2.0, 0.0, 3.0]), resampled(4, 50, seed=1)
    repeated = values.repeat_interleave(weights.long(), dim=1)
    assert_close(list_mean(values, weights), repeated.nanmean(1))
    as_often = counts.repeat_interleave(weights.long(), dim=1)
    assert_close(bootstrap_means(values, counts, weights), bootstrap_means(repeated, as_often), equal_nan=True)
    reference = torch.zeros(2)
    found, expected = (
        bootstrap_hypervolume(values, counts, reference, weights),
        bootstrap_hypervolume(repeated, as_often, reference),
    )
    assert_close(found, expected, equal_nan=True)
    assert_close(list_mean(values, torch.full((4,), 0.1)), values.nanmean(1))
    assert list_mean(values[..., 0], torch.tensor([0.0, 1.0, 0.0, 0.0])).isnan().all()
