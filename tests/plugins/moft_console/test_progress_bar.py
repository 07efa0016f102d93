"""Progress as live bars."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from moft_console.progress_bar import INTERVAL, ProgressBar


@pytest.fixture
def shown():
    """A bar on a terminal, by a clock that the test moves: `(bar, clock, text)`."""
    clock, stream = [0.0], io.StringIO()
    bar = ProgressBar(Console(file=stream, force_terminal=True, color_system=None, width=120), lambda: clock[0])
    yield bar, clock, stream.getvalue
    bar.pause()


def test_job_percent_rate_time_left_loss_and_hypervolume_are_drawn(shown):
    bar, clock, text = shown
    bar.on_step({"job": "policy", "progress": 0.1, "lists": 10, "loss": 0.5})
    clock[0] = 2.0
    bar.on_step({"job": "policy", "progress": 0.3, "lists": 30, "loss": 0.25, "hypervolume": 0.125})
    for part in ("policy", "30%", "10 lists/s", "0:07 left", "loss 0.2500", "hypervolume 0.1250"):
        assert part in text()


def test_steps_in_quick_succession_are_drawn_once(shown):
    bar, clock, text = shown
    bar.on_step({"job": "policy", "progress": 0.1, "loss": 0.5})
    before = text()
    clock[0] = INTERVAL / 2
    bar.on_step({"job": "policy", "progress": 0.2, "loss": 0.5})
    assert text() == before
    clock[0] = INTERVAL
    bar.on_step({"job": "policy", "progress": 0.2, "loss": 0.5})
    assert "20%" in text()


def test_each_job_has_a_bar(shown):
    bar, _, text = shown
    bar.on_step({"job": "front[red]1", "progress": 1.0})
    bar.on_step({"job": "front[red]2", "progress": 0.5})
    assert "front[red]1" in text()
    assert "front[red]2" in text()


def test_bars_go_on_after_something_else_was_printed(shown):
    bar, clock, text = shown
    bar.on_step({"job": "policy", "progress": 0.1})
    bar.pause()
    clock[0] = 1.0
    bar.on_step({"job": "policy", "progress": 0.6})
    assert "60%" in text()


def test_missing_values_are_left_out(shown):
    bar, _, text = shown
    bar.on_step({})
    assert "training" in text()


def test_begin_and_end_are_lines(shown):
    bar, clock, text = shown
    bar.on_start("toy", "runs/[toy]")
    clock[0] = 5.0
    bar.on_end("toy", ValueError("x"))
    assert text() == "run toy: writes to runs/[toy]\nrun toy: failed after 0:05\n"


def test_points_that_are_measured_are_drawn(shown):
    bar, clock, text = shown
    bar.on_points_measured(1, 11)
    clock[0] = 2.0
    bar.on_points_measured(2, 11)
    assert "measuring" in text()
    assert "2 of 11 points  0:18 left" in text()
