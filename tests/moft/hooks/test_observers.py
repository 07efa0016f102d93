"""Observers: told one by one, and never able to end a run."""

from __future__ import annotations

import pytest

from moft import hookimpl
from moft.hooks.observers import Observers
from moft.hooks.plugin_manager import Plugins
from moft.types import Run

RUN = Run("toy", None, {})


class Diary:
    def __init__(self) -> None:
        self.lines: list[tuple] = []

    @hookimpl
    def moft_run_started(self, run):
        self.lines.append(("started", run.name))

    @hookimpl
    def moft_step_ended(self, step, values):
        self.lines.append(("step", step, values["loss"]))

    @hookimpl
    def moft_front_profiled(self, front):
        self.lines.append(("front", front))

    @hookimpl
    def moft_run_ended(self, error, run):
        self.lines.append(("ended", run.name, error))


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    @hookimpl
    def moft_step_ended(self):
        raise self.error


def observers_of(**plugins: object) -> Observers:
    manager = Plugins()
    for name, plugin in plugins.items():
        manager.register(plugin, name)
    return Observers(manager, RUN)


def test_an_observer_is_told_what_it_asks_for():
    diary, error = Diary(), ValueError("x")
    observers = observers_of(diary=diary)
    observers.run_started()
    observers.step_ended(1, {"loss": 0.5})
    observers.front_profiled("a front")
    observers.run_ended(error)
    assert diary.lines == [("started", "toy"), ("step", 1, 0.5), ("front", "a front"), ("ended", "toy", error)]


def test_an_observer_that_raises_is_told_once_and_the_others_are_called(capsys):
    before, after = Diary(), Diary()
    observers = observers_of(before=before, failing=Failing(RuntimeError("no\nnetwork")), after=after)
    for step in (1, 2):
        observers.step_ended(step, {"loss": 0.0})
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "moft: plugin 'failing' failed in moft_step_ended (RuntimeError: no network); the run continues."
    ]
    assert before.lines == after.lines == [("step", 1, 0.0), ("step", 2, 0.0)]


def test_an_observer_that_leaves_the_process_does_not_end_the_run(capsys):
    observers_of(failing=Failing(SystemExit(3))).step_ended(1, {})
    assert "plugin 'failing' failed in moft_step_ended (SystemExit: 3); the run continues." in capsys.readouterr().err


def test_an_interrupt_in_an_observer_ends_the_run():
    with pytest.raises(KeyboardInterrupt):
        observers_of(failing=Failing(KeyboardInterrupt())).step_ended(1, {})


def test_without_plugins_nobody_is_told():
    observers = observers_of()
    observers.run_started()
    observers.run_ended(None)


class Board:
    """A tracker that fails in one method."""

    def __init__(self, fails_in: str = "") -> None:
        self.fails_in = fails_in
        self.lines: list[tuple] = []

    def _told(self, *words: object) -> None:
        if words[0] == self.fails_in:
            raise OSError("no way there")
        self.lines.append(words)

    def run_started(self):
        self._told("run_started")

    def step_ended(self, step, values):
        self._told("step_ended", step, values["loss"])

    def front_profiled(self, front):
        self._told("front_profiled", front)

    def run_ended(self, error):
        self._told("run_ended", error)


def tell_all(observers: Observers) -> None:
    observers.run_started()
    observers.step_ended(1, {"loss": 0.5})
    observers.step_ended(2, {"loss": 0.25})
    observers.front_profiled("a front")
    observers.run_ended(None)


def test_trackers_are_told_what_observers_are(capsys):
    board = Board()
    tell_all(Observers(Plugins(), RUN, {"tracker 'board'": board}))
    steps = [("step_ended", 1, 0.5), ("step_ended", 2, 0.25)]
    assert board.lines == [("run_started",), *steps, ("front_profiled", "a front"), ("run_ended", None)]
    assert capsys.readouterr().err == ""


def test_a_tracker_that_fails_is_reported_once_and_the_others_go_on(capsys):
    failing, other = Board("step_ended"), Board()
    tell_all(Observers(Plugins(), RUN, {"tracker 'one'": failing, "tracker 'two'": other}))
    assert [line[0] for line in failing.lines] == ["run_started", "front_profiled", "run_ended"]
    assert len(other.lines) == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "moft: tracker 'one' failed in step_ended (OSError: no way there); the run continues."


def test_a_tracker_that_cannot_start_is_told_nothing_more(capsys):
    board = Board("run_started")
    tell_all(Observers(Plugins(), RUN, {"tracker 'one'": board}))
    assert board.lines == []
    assert len(capsys.readouterr().err.splitlines()) == 1
