"""The contract of observers finds what it promises to find."""

from __future__ import annotations

import pytest

from moft import Component, hookimpl
from moft.testing import check_observer
from moft_console.plugin import Console


class Diary:
    def __init__(self) -> None:
        self.lines: list[str] = []

    @hookimpl
    def moft_run_started(self, run):
        self.lines.append("started")

    @hookimpl
    def moft_step_ended(self, step, values):
        self.lines.append(f"{step} {values['loss']}")

    @hookimpl
    def moft_front_profiled(self, front):
        self.lines.append(f"{len(front.points)} points")

    @hookimpl
    def moft_run_ended(self, error):
        self.lines.append("well" if error is None else "badly")


class Hopeful:
    @hookimpl
    def moft_step_ended(self, values):
        values["hypervolume"]


class Careless:
    @hookimpl
    def moft_run_ended(self, error):
        error.args  # noqa: B018


class Meddling:
    @hookimpl
    def moft_step_ended(self, values):
        values["loss"] = 0.0


class Offering:
    @hookimpl
    def moft_losses(self):
        yield Component("loss", dict)


class Misspelt:
    @hookimpl
    def moft_step_begun(self):
        return None


def test_a_sound_observer_passes_and_is_told_of_runs_that_end_well_and_badly():
    diary = Diary()
    check_observer(diary)
    assert {"started", "1 1.0", "3 points", "well", "badly"} <= set(diary.lines)


def test_the_shipped_observer_passes(capsys):
    check_observer(Console())


@pytest.mark.parametrize(
    ("observer", "rule"),
    [
        (Hopeful, "moft_step_ended does not raise; got: KeyError: 'hypervolume'; input: run 1, new, step 1"),
        (Careless, "moft_run_ended does not raise; got: AttributeError: .*; input: run 1, new, ended well"),
        (Meddling, "values are not changed; got: .*'loss': 0.0.*; input: moft_step_ended, run 1, new, step 1"),
        (Offering, "one of the hooks moft_run_started, .*; got: none; input: the plugin"),
        (Misspelt, "hooks that moft knows; got: plugin 'observer' is refused: moft has no hook 'moft_step_begun'"),
    ],
)
def test_an_observer_that_breaks_a_rule_is_told_which(observer, rule):
    with pytest.raises(AssertionError, match=f"expected: {rule}"):
        check_observer(observer())
