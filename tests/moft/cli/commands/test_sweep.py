"""`moft sweep`: planning, running, skipping what is done, going on after a kill, and what is refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

from moft.config.yaml12 import load
from moft.errors import RunError
from moft.run.folder.run_folder import lock_folder

MOFT = "import sys; from moft.cli.app import main; sys.exit(main())"


def entries(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def started(config, finished, tmp_path):
    """The folder of a sweep whose run of seed 0 is done."""
    shutil.copytree(finished, tmp_path / "sweep" / "seed=0")
    return tmp_path / "sweep"


def test_a_plan_lists_every_run_and_how_far_it_is_and_writes_nothing(config, started, moft, tmp_path):
    shutil.copytree(started / "seed=0", started / "half")
    (started / "half" / "front.json").unlink()
    (started / "half").rename(started / "seed=1")
    settings = started / "seed=1" / "config.yaml"
    settings.write_text(settings.read_text().replace("seed: 0", "seed: 1"))
    before = entries(tmp_path)
    said = moft("sweep", config, "--seeds", 3, "--out", started, "--plan", "--workers", 2)
    assert (said.code, said.mistakes) == (0, [])
    rows = [line.split() for line in said.out.splitlines()]
    assert rows[1:4] == [
        ["done", str(started / "seed=0")],
        ["unfinished", str(started / "seed=1")],
        ["to", "do", str(started / "seed=2")],
    ]
    assert "3 runs: 1 done, 1 unfinished, 1 to do; 2 at a time" in said.out
    assert entries(tmp_path) == before


def test_all_combinations_are_planned_from_the_configs_own_seed_on(config, moft, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--over", "trainer.epochs=1,2", "--over", "method.loss=listnet", "--seeds", 2, "--set", "seed=5", "--plan")
    said = moft("sweep", config, *words)
    planned = [line.rpartition(" ")[2] for line in said.out.splitlines() if line.startswith("to do")]
    assert planned == [
        f"runs/small-sweep/trainer.epochs={epochs},method.loss=listnet,seed={seed}" for epochs in (1, 2) for seed in (5, 6)
    ]


def test_seeds_can_be_varied_like_any_setting(config, moft, tmp_path):
    said = moft("sweep", config, "--over", "seed=3,7", "--out", tmp_path / "s", "--plan")
    assert [line.rpartition("/")[2] for line in said.out.splitlines() if line.startswith("to do")] == ["seed=3", "seed=7"]


def test_a_run_that_is_measured_otherwise_is_to_be_measured_again(config, started, moft):
    words = ("sweep", config, "--seeds", 1, "--out", started, "--plan")
    assert "1 run: 1 to measure again" in moft(*words, "--set", "profile.bootstrap_samples=5").out
    assert "1 run: 1 done" in moft(*words, "--set", "trainer.threads=2").out
    os.utime(started / "seed=0" / "config.yaml")  # as one that was killed while it was measured again
    assert "1 run: 1 to measure again" in moft(*words).out


MISTAKES = {
    "nothing to vary": ((), "nothing to sweep; give --over path.to.setting=a,b,c, --seeds N, or both."),
    "a path that is none": (
        ("--over", "trainer.epoch=1,2"),
        "trainer.epoch: unknown setting. Did you mean 'epochs'? Settings of trainer: ",
    ),
    "a path inside a number": (("--over", "trainer.epochs.x=1,2"), "has no setting 'x'"),
    "a value that is not allowed": (("--over", "trainer.epochs=2,few"), "trainer.epochs: must be a whole number"),
    "a component that is none": (("--over", "method.loss=listnet,listmet"), "Did you mean 'listnet'?"),
    "an empty value": (("--over", "trainer.epochs=1,"), "value 2 is empty"),
    "no value": (("--over", "trainer.epochs="), "has no value"),
    "a path twice": (("--over", "trainer.epochs=1", "--over", "trainer.epochs=2"), "trainer.epochs is varied twice"),
    "a path that is also set": (("--over", "seed=1,2", "--set", "seed=3"), "seed is varied by --over"),
    "a value twice": (("--over", "trainer.epochs=2,2"), "two runs are called 'trainer.epochs=2,seed=0'"),
    "the same run twice": (
        ("--over", "method=cos-dpo,{name: cos-dpo}"),
        "'method=cos-dpo,seed=0' and 'method=name-cos-dpo-",
    ),
    "seeds twice": (("--over", "seed=1,2", "--seeds", "2"), "--seeds: seeds are varied by --over"),
    "plugins": (("--over", "plugins=[a.py],[b.py]"), "--over plugins: cannot be varied"),
    "no seeds": (("--seeds", "0"), "Invalid value for '--seeds'"),
    "no workers": (("--seeds", "1", "--workers", "0"), "Invalid value for '--workers'"),
    "a mistake of the config": (("--over", "seed=1,2", "--set", "trainer.lr=1"), "trainer.lr: unknown setting."),
}


@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
@pytest.mark.parametrize(("words", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_line_before_anything_is_written(words, told, plan, config, moft, tmp_path):
    before = entries(tmp_path)
    said = moft("sweep", config, *words, *plan, "--out", tmp_path / "sweep")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told in said.mistakes[0]
    assert entries(tmp_path) == before


@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_runs_whose_names_differ_in_case_alone_are_refused(plan, config, lists, moft, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "Aa":
        (tmp_path / name).symlink_to(lists)
    said = moft("sweep", config, "--over", "task.data=A,a", *plan, "--out", "sweep")
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert "two runs are called 'task.data=a,seed=0', apart from upper and lower case" in said.mistakes[0]


def test_mistakes_of_several_values_are_all_told(config, moft, tmp_path):
    said = moft("sweep", config, "--over", "trainer.epochs=few,2,-1", "--seeds", 3, "--out", tmp_path / "sweep")
    assert [said.code, len(said.mistakes)] == [2, 2]
    assert all("trainer.epochs: " in line for line in said.mistakes)


@pytest.mark.parametrize("plan", [(), ("--plan",)], ids=["run", "plan"])
def test_runs_of_another_config_are_left_alone(plan, config, started, moft, tmp_path):
    before = entries(tmp_path)
    said = moft("sweep", config, "--seeds", 2, "--out", started, "--set", "trainer.epochs=4", *plan)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert "seed=0: was made with another config (trainer.epochs: 2 there, 4 here)" in said.mistakes[0]
    assert entries(tmp_path) == before


PLACES = {
    "a run": ("run", lambda folder: ((folder / "run").mkdir(), (folder / "run" / "config.yaml").touch()), "run: is a run, not"),
    "a file": (
        "run",
        lambda folder: (folder / "run").touch(),
        "run: is a file, not the folder of a sweep; choose another --out.",
    ),
    "in a file": ("small.yaml/run", lambda folder: None, "Not a directory"),
    "a folder that is no run": (
        "run",
        lambda folder: (folder / "run" / "seed=0" / "notes").mkdir(parents=True),
        "a folder that is not a run",
    ),
    "two folders that are no runs": (
        "run",
        lambda folder: [(folder / "run" / f"seed={seed}" / "notes").mkdir(parents=True) for seed in (0, 1)],
        "The same is true of 1 more.",
    ),
}


@pytest.mark.parametrize(("name", "make", "told"), PLACES.values(), ids=PLACES)
def test_what_is_no_sweep_is_left_alone(name, make, told, config, moft, tmp_path):
    make(tmp_path)
    before = entries(tmp_path)
    said = moft("sweep", config, "--seeds", 2, "--out", tmp_path / name)
    assert (said.code, said.out, len(said.mistakes)) == (2, "", 1)
    assert told in said.mistakes[0]
    assert entries(tmp_path) == before


def test_two_sweeps_do_not_share_a_folder(config, moft, tmp_path):
    (tmp_path / "sweep" / ".sweep").mkdir(parents=True)
    other = lock_folder(tmp_path / "sweep" / ".sweep")
    said = moft("sweep", config, "--seeds", 2, "--out", tmp_path / "sweep")
    other.close()
    assert said.code == 2
    assert said.mistakes == [f"moft: error: {tmp_path / 'sweep'}: another sweep is running there; wait for it to end."]
    assert not list((tmp_path / "sweep").glob("seed*"))


def test_what_is_done_is_left_alone_and_named(config, started, moft):
    before = {path: path.stat().st_mtime_ns for path in started.rglob("*")}
    said = moft("sweep", config, "--seeds", 1, "--out", started)
    assert (said.code, said.out) == (0, f"{started / 'seed=0'}\n")
    assert {path: path.stat().st_mtime_ns for path in before if path.parent != started.parent} == before


MEETING = """
import pathlib, time
import torch
from moft import Component, hookimpl
from moft_losses.listnet import ListNet

class Meeting(ListNet):
    def __init__(self, *, place: str, own: str, others: int, failing: str):
        super().__init__()
        here = pathlib.Path(place)
        here.mkdir(exist_ok=True)
        self.left = 6 if own == failing else 10**9
        if __import__("sys").argv[1:2] == ["train"]:  # not while the sweep checks its settings
            (here / own).touch()
            until = time.monotonic() + 120
            while len(list(here.iterdir())) < others:
                if time.monotonic() > until:
                    raise ValueError("alone")
                time.sleep(0.01)

    def __call__(self, rewards, labels, mask):
        self.left -= rewards.requires_grad and torch.is_grad_enabled()
        return super().__call__(rewards, labels, mask) * (torch.nan if self.left < 0 else 1)

@hookimpl
def moft_losses():
    yield Component("meeting", Meeting, "waits for others; one of them is not a number after a while")
"""


@pytest.mark.slow
def test_runs_overlap_and_are_those_of_train_and_one_that_fails_is_told_with_its_reason(config, moft, warm, learned, tmp_path):
    (tmp_path / "meeting.py").write_text(MEETING)
    loss = [
        "plugins=[" + str(tmp_path / "meeting.py") + "]",
        f"method.loss={{name: meeting, place: {tmp_path}/met, own: a, others: 2, failing: b}}",
        "method.balance=none",
    ]
    words = [word for setting in loss for word in ("--set", setting)]
    swept = ("sweep", config, *words, "--over", "method.loss.own=a,b", "--workers", 2, "--out", tmp_path / "sweep")
    said = moft(*swept)
    good, bad = (tmp_path / "sweep" / f"method.loss.own={own},seed=0" for own in "ab")
    assert (said.code, said.out) == (2, f"{good}\n")
    assert len(said.mistakes) == 1
    assert said.mistakes[0].startswith(f"moft: error: {bad.name}: job 'policy', step ")
    assert "is not finite" in said.mistakes[0]
    log = tmp_path / "sweep" / ".sweep" / f"{bad.name}.log"
    assert f"(log: {log})" in said.mistakes[0]
    assert "job 'policy'" in log.read_text()
    assert "2 runs: 1 done, 1 unfinished" in moft(*swept, "--plan").out
    assert load((bad / "config.yaml").read_text())["method"]["loss"]["own"] == "b"
    assert moft("train", config, *words, "--out", tmp_path / "alone").code == 0
    assert learned(good) == learned(tmp_path / "alone")


@pytest.fixture
def sweeping(config, warm, tmp_path):
    """Starts a sweep of two seeds in a process of its own and waits until a run has a checkpoint of the policy."""
    begun = []
    sweep = tmp_path / "sweep"
    words = ["sweep", str(config), "--seeds", "2", "--workers", "2", "--out", str(sweep), "--set", "trainer.epochs=8"]

    def start():
        with (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen([warm, "-c", MOFT, *words], stdout=said, stderr=said)
        begun.append(process)
        until = time.monotonic() + 120
        while not list(sweep.glob("seed=*/checkpoints/policy/step-*")):
            assert process.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < until, "no checkpoints"
            time.sleep(0.01)
        return process

    yield words, start
    for process in begun:
        process.kill()
        process.wait()


def is_held(run):
    """Whether a process writes the run."""
    try:
        lock_folder(run).close()
    except RunError:
        return True
    except FileNotFoundError:  # it has not begun
        return False
    return False


@pytest.mark.slow
def test_a_sweep_killed_mid_way_takes_its_runs_along_and_ends_as_one_that_never_was(sweeping, config, moft, learned, tmp_path):
    words, start = sweeping
    start().kill()
    until = time.monotonic() + 30
    while any(is_held(tmp_path / "sweep" / f"seed={seed}") for seed in (0, 1)):
        assert time.monotonic() < until, "a run goes on without its sweep"
        time.sleep(0.01)
    planned = moft(*words, "--plan").out
    assert "unfinished" in planned
    assert " done" not in planned
    said = moft(*words)
    runs = [tmp_path / "sweep" / f"seed={seed}" for seed in (0, 1)]
    assert (said.code, said.mistakes) == (0, [])
    compare = f"Compare them: moft compare {tmp_path / 'sweep'}/* --over-seeds"
    assert said.out.splitlines() == [*map(str, runs), compare]
    whole = tmp_path / "whole"
    assert moft("train", config, "--set", "trainer.epochs=8", "--set", "seed=1", "--out", whole).code == 0
    assert learned(runs[1]) == learned(whole)


@pytest.mark.slow
def test_an_interrupted_sweep_keeps_checkpoints_and_says_how_to_go_on(sweeping, moft, tmp_path):
    words, start = sweeping
    process = start()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    said = (tmp_path / "said").read_text()
    kept = f"{tmp_path / 'sweep'} keeps the finished runs and the last checkpoints of the others."
    assert said.splitlines()[-1].startswith(f"moft: interrupted by SIGTERM. {kept} Go on with: moft sweep ")
    assert "Traceback" not in said
    runs = [tmp_path / "sweep" / f"seed={seed}" for seed in (0, 1)]
    assert not any(is_held(run) for run in runs)
    assert any(list(run.glob("checkpoints/policy/step-*")) for run in runs)
    assert "unfinished" in moft(*words, "--plan").out
