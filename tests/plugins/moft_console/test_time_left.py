"""Rates, time left, and what is kept between steps."""

from __future__ import annotations

import pytest

from moft_console.time_left import Pace, Status, duration, end_line, start_line


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rate_and_time_left_follow_from_two_steps():
    clock = Clock()
    pace = Pace(clock)
    first = pace.after({"job": "policy", "progress": 0.1, "lists": 50, "loss": 0.5})
    assert (first.rate, first.left) == (None, None)
    clock.now += 4
    second = pace.after({"job": "policy", "progress": 0.3, "lists": 250, "loss": 0.25})
    assert second.rate == pytest.approx((250 - 50) / 4)
    assert second.left == pytest.approx((1 - 0.3) * 4 / (0.3 - 0.1))
    assert (second.job, second.progress, second.loss) == ("policy", 0.3, 0.25)


def test_steps_that_are_told_together_count_as_one():
    clock = Clock()
    pace = Pace(clock)
    told = [pace.after({"job": "grid", "progress": 0.1 * step, "lists": 9 * step, "seconds": 60.0}) for step in (1, 2, 3, 4)]
    assert {(status.rate, status.left) for status in told} == {(None, None)}
    clock.now += 60
    for step in (5, 6, 7, 8):
        status = pace.after({"job": "grid", "progress": 0.1 * step, "lists": 9 * step, "seconds": 120.0})
    assert status.rate == pytest.approx((8 * 9 - 4 * 9) / 60)
    assert status.left == pytest.approx(0.2 * 60 / 0.4)


def test_a_new_job_starts_anew():
    clock = Clock()
    pace = Pace(clock)
    pace.after({"job": "a", "progress": 1.0, "lists": 100, "hypervolume": 0.5})
    clock.now += 1
    status = pace.after({"job": "b", "progress": 0.1, "lists": 10})
    assert (status.rate, status.left, status.hypervolume) == (None, None, None)


def test_the_last_hypervolume_stays_and_an_evaluation_does_not():
    pace = Pace(Clock())
    evaluated = pace.after({"job": "a", "loss": 1.0, "hypervolume": 0.5, "clicks": 0.75})
    assert evaluated.evaluation == {"hypervolume": 0.5, "clicks": 0.75}
    later = pace.after({"job": "a", "loss": 1.0})
    assert (later.evaluation, later.hypervolume) == ({}, 0.5)


def test_missing_and_strange_values_are_no_values():
    assert Pace(Clock()).after({}) == Status("training")
    assert Pace(Clock()).after({"job": "a", "loss": float("nan"), "progress": "half", "note": "x"}) == Status("a")


def test_the_values_of_a_step_are_no_evaluation():
    values = {"job": "a", "epoch": 1, "epochs": 2, "progress": 0.5, "loss": 1.0}
    values |= {"gradient": 1.0, "learning_rate": 0.1, "seconds": 3.0, "lists": 5}
    assert Pace(Clock()).after(values).evaluation == {}


def test_a_status_has_words_for_what_it_knows():
    assert Status("a").words() == []
    assert Status("a", rate=0.64).words() == ["0.6 lists/s"]
    assert Status("a", rate=20.0).words("queries") == ["20 queries/s"]
    status = Status("a", 0.42, 310.4, 65.0, 0.5, 0.1)
    assert status.words() == [" 42%", "310 lists/s", "1:05 left", "loss 0.5000", "hypervolume 0.1000"]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (65, "1:05"), (3600, "1:00:00"), (36061, "10:01:01")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_beginnings_and_endings():
    assert start_line("toy", "runs/toy") == "run toy: writes to runs/toy"
    assert start_line("toy", None) == "run toy: writes nothing"
    assert end_line("toy", None, 65) == "run toy: done in 1:05"
    assert end_line("toy", ValueError("x"), 65) == "run toy: failed after 1:05"
    assert end_line("toy", KeyboardInterrupt(), 65) == "run toy: stopped after 1:05"
