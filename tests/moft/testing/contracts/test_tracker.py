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


def test_a_tracker_that_keeps_its_promises_passes():
    check_tracker(Diary)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (Early, r"nothing is opened before the run has begun\. Seen: \['diary.txt'\] in the run folder"),
        (Hopeful, r"step_ended raises nothing\. Seen: KeyError: 'hypervolume'\. On: run 1, new, step 1"),
        (Meddling, r"values left as they were\. Seen: .*'loss': 0\.0"),
        (Careless, r"run_ended raises nothing\. Seen: AttributeError: .* On: run 1, new, ended well"),
        (Short, r"methods run_started, .*\. Seen: no step_ended, front_profiled\. On: run 1, new"),
    ],
)
def test_a_broken_promise_is_told(build, message):
    with pytest.raises(AssertionError, match=message):
        check_tracker(build)
