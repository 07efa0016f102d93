"""The contract of trackers finds what it promises to find."""

from __future__ import annotations

import pytest

from moft.testing import check_tracker


class Diary:
    def __init__(self, run):
        self.run = run

    def run_started(self):
        (self.run.folder / "diary.txt").write_text("began")

    def step_ended(self, step, values):
        values["loss"] + step

    def front_profiled(self, front):
        assert (self.run.folder / "front.png").read_bytes().startswith(b"\x89PNG")

    def run_ended(self, error):
        (self.run.folder / "diary.txt").write_text("ended")


class Early(Diary):
    def __init__(self, run):
        super().__init__(run)
        self.run_started()


class Hopeful(Diary):
    def step_ended(self, step, values):
        values["hypervolume"]


class Meddling(Diary):
    def step_ended(self, step, values):
        values["loss"] = 0.0


class Careless(Diary):
    def run_ended(self, error):
        error.args  # noqa: B018


class Short:
    def __init__(self, run):
        self.run_started = self.run_ended = print


def test_a_tracker_that_keeps_its_contract_passes():
    check_tracker(Diary)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (Early, r"nothing is written before `run_started`\; got: \['diary.txt'\] in the run folder"),
        (Hopeful, r"step_ended does not raise\; got: KeyError: 'hypervolume'\; input: run 1, new, step 1"),
        (Meddling, r"values are not changed\; got: .*'loss': 0\.0"),
        (Careless, r"run_ended does not raise\; got: AttributeError: .*; input: run 1, new, ended well"),
        (Short, r"methods run_started, .*\; got: no step_ended, front_profiled\; input: run 1, new"),
    ],
)
def test_a_broken_rule_is_told(build, message):
    with pytest.raises(AssertionError, match=message):
        check_tracker(build)
