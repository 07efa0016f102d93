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
    ("observer", "promise"),
    [
        (Hopeful, "moft_step_ended raises nothing. Seen: KeyError: 'hypervolume'. On: run 1, new, step 1"),
        (Careless, "moft_run_ended raises nothing. Seen: AttributeError: .* On: run 1, new, ended well"),
        (Meddling, "values left as they were. Seen: .*'loss': 0.0.* On: moft_step_ended, run 1, new, step 1"),
        (Offering, "one of the hooks moft_run_started, .* Seen: none. On: the plugin itself"),
        (Misspelt, "hooks that moft knows. Seen: plugin 'observer' is refused: moft has no hook 'moft_step_begun'"),
    ],
)
def test_an_observer_that_breaks_a_promise_is_told_which(observer, promise):
    with pytest.raises(AssertionError, match=f"promised: {promise}"):
        check_observer(observer())
