"""Progress as plain lines."""

from __future__ import annotations

import io

import pytest

from moft_console.progress_lines import INTERVAL, ProgressLines


@pytest.fixture
def shown():
    """ProgressLines on a stream, by a clock that the test moves: `(lines, clock, text)`."""
    clock, stream = [0.0], io.StringIO()
    return ProgressLines(stream, lambda: clock[0]), clock, stream.getvalue


def test_a_line_comes_every_ten_seconds_at_most(shown):
    lines, clock, text = shown
    for second in range(int(3 * INTERVAL)):
        clock[0] = float(second)
        lines.on_step({"job": "policy", "progress": second / 100, "loss": 0.5})
    assert text().count("\n") == 2


def test_an_evaluation_always_has_a_line_with_all_its_values(shown):
    lines, _, text = shown
    lines.on_step({"job": "policy", "progress": 0.5, "loss": 0.5, "hypervolume": 0.25, "clicks": 0.75})
    assert text() == "policy   50%  loss 0.5000  hypervolume 0.2500  clicks 0.7500\n"


def test_missing_values_are_left_out(shown):
    lines, clock, text = shown
    clock[0] = INTERVAL
    lines.on_step({})
    assert text() == "training\n"


def test_begin_and_end_are_lines(shown):
    lines, clock, text = shown
    lines.on_start("toy", "runs/toy")
    lines.pause()
    clock[0] = 5.0
    lines.on_end("toy", None)
    assert text() == "run toy: writes to runs/toy\nrun toy: done in 0:05\n"


def test_points_are_told_every_ten_seconds_and_the_last_always(shown):
    lines, clock, text = shown
    for done in range(1, 5):
        clock[0] = 6.0 * (done - 1)
        lines.on_points_measured(done, 4)
    assert text() == "measured 3 of 4 points  0:06 left\nmeasured 4 of 4 points  0:00 left\n"


@pytest.mark.parametrize("already", [0, 2])
def test_time_left_is_told_from_the_first_point_on(already, shown):
    lines, clock, text = shown
    lines.on_points_measured(3, 3)  # of an evaluation before
    text()
    lines.on_points_measured(already, 6)
    clock[0] = 20.0
    lines.on_points_measured(already + 1, 6)
    left = {0: "1:40", 2: "1:00"}[already]
    assert f"measured {already + 1} of 6 points  {left} left\n" in text()
