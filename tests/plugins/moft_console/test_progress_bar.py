"""Progress as live bars."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from moft_console.progress_bar import EVERY, Bar


@pytest.fixture
def shown():
    """A bar on a terminal, by a clock that the test moves: `(bar, clock, text)`."""
    clock, stream = [0.0], io.StringIO()
    bar = Bar(Console(file=stream, force_terminal=True, color_system=None, width=120), lambda: clock[0])
    yield bar, clock, stream.getvalue
    bar.paused()


def test_job_percent_rate_time_left_loss_and_hypervolume_are_drawn(shown):
    bar, clock, text = shown
    bar.stepped({"job": "policy", "progress": 0.1, "lists": 10, "loss": 0.5})
    clock[0] = 2.0
    bar.stepped({"job": "policy", "progress": 0.3, "lists": 30, "loss": 0.25, "hypervolume": 0.125})
    for part in ("policy", "30%", "10 lists/s", "0:07 left", "loss 0.2500", "hypervolume 0.1250"):
        assert part in text()


def test_steps_in_quick_succession_are_drawn_once(shown):
    bar, clock, text = shown
    bar.stepped({"job": "policy", "progress": 0.1, "loss": 0.5})
    before = text()
    clock[0] = EVERY / 2
    bar.stepped({"job": "policy", "progress": 0.2, "loss": 0.5})
    assert text() == before
    clock[0] = EVERY
    bar.stepped({"job": "policy", "progress": 0.2, "loss": 0.5})
    assert "20%" in text()


def test_each_job_has_a_bar(shown):
    bar, _, text = shown
    bar.stepped({"job": "front[red]1", "progress": 1.0})
    bar.stepped({"job": "front[red]2", "progress": 0.5})
    assert "front[red]1" in text()
    assert "front[red]2" in text()


def test_bars_go_on_after_something_else_was_printed(shown):
    bar, clock, text = shown
    bar.stepped({"job": "policy", "progress": 0.1})
    bar.paused()
    clock[0] = 1.0
    bar.stepped({"job": "policy", "progress": 0.6})
    assert "60%" in text()


def test_missing_values_are_left_out(shown):
    bar, _, text = shown
    bar.stepped({})
    assert "training" in text()


def test_begin_and_end_are_lines(shown):
    bar, clock, text = shown
    bar.started("toy", "runs/[toy]")
    clock[0] = 5.0
    bar.ended("toy", ValueError("x"))
    assert text() == "run toy: writes to runs/[toy]\nrun toy: failed after 0:05\n"


def test_points_that_are_measured_are_drawn(shown):
    bar, clock, text = shown
    bar.measured(1, 11)
    clock[0] = 2.0
    bar.measured(2, 11)
    assert "measuring" in text()
    assert "2 of 11 points  0:18 left" in text()
