"""Observers: told one by one, and never able to end a run."""

from __future__ import annotations

import pytest

from moft import hookimpl
from moft.hooks.manager import Plugins
from moft.hooks.observers import Observers
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
        "moft: plugin 'failing' failed in moft_step_ended (RuntimeError: no network); the run goes on."
    ]
    assert before.lines == after.lines == [("step", 1, 0.0), ("step", 2, 0.0)]


def test_an_observer_that_leaves_the_process_does_not_end_the_run(capsys):
    observers_of(failing=Failing(SystemExit(3))).step_ended(1, {})
    assert "plugin 'failing' failed in moft_step_ended (SystemExit: 3); the run goes on." in capsys.readouterr().err


def test_an_interrupt_in_an_observer_ends_the_run():
    with pytest.raises(KeyboardInterrupt):
        observers_of(failing=Failing(KeyboardInterrupt())).step_ended(1, {})


def test_without_plugins_nobody_is_told():
    observers = observers_of()
    observers.run_started()
    observers.run_ended(None)
