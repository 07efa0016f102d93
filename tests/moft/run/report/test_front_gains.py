"""What each objective gains at most, and what that costs the main objective."""

from __future__ import annotations

import math

import pytest
import torch

from moft.engine.fronts.bootstrap import bootstrap_means, interval, resampled
from moft.run.report.front_gains import gain_records
from moft.types import Front, ListValues, Tradeoff


def measured(values, main, weights=None):
    return ListValues(values, main, torch.arange(values.shape[1]), weights=weights)


@pytest.fixture
def front():
    generator = torch.Generator().manual_seed(0)
    values, main = torch.rand(3, 20, 2, generator=generator), torch.rand(3, 20, generator=generator)
    return Front(("a", "b"), Tradeoff(torch.eye(2)[[0, 1, 1]], torch.ones(1, 2)), measured(values, main), "metric", "test")


def base(front):
    return measured(front.measured.values[:1] / 2, front.measured.main[:1] + 0.25)


def test_gain_and_loss_are_differences_at_the_highest_point_with_paired_intervals(front):
    counts = resampled(20, 100, 0)
    own = base(front)
    for place, record in enumerate(gain_records(front, own, counts, 0.9)):
        row = int(front.points[:, place].argmax())
        assert (record["objective"], record["point"]) == (front.objectives[place], row + 1)
        difference = (front.measured.values[row, :, place] - own.values[0, :, place]).view(1, 20, 1)
        loss = (front.measured.main[row] - own.main[0]).view(1, 20, 1)
        assert record["gain"] == pytest.approx(difference.mean().item(), abs=1e-6)
        assert record["main"] == pytest.approx(loss.mean().item(), abs=1e-6)
        for key, series in (("ci", difference), ("main_ci", loss)):
            expected = interval(bootstrap_means(series, counts), 0.9).flatten().tolist()
            assert record[key] == pytest.approx(expected, abs=1e-6)


def test_lists_count_by_their_weights(front):
    weights = torch.zeros(20)
    weights[3] = 1.0
    weighted = Front(
        front.objectives, front.tradeoffs, measured(front.measured.values, front.measured.main, weights), "metric", "test"
    )
    own = base(front)
    (record, _) = gain_records(weighted, own, resampled(20, 100, 0), 0.95)
    row = int(front.measured.values[:, 3, 0].argmax())
    assert record["point"] == row + 1
    assert record["gain"] == pytest.approx((front.measured.values[row, 3, 0] - own.values[0, 3, 0]).item(), abs=1e-6)


def test_what_was_not_measured_is_nan(front):
    values = front.measured.values.clone()
    values[..., 1] = math.nan
    main = torch.full_like(front.measured.main, math.nan)
    found = Front(front.objectives, front.tradeoffs, measured(values, main), "metric", "test")
    first, second = gain_records(found, measured(values[:1], main[:1]), resampled(20, 10, 0), 0.95)
    assert math.isnan(first["main"])
    assert not math.isnan(first["gain"])
    assert (second["point"], math.isnan(second["gain"])) == (None, True)
