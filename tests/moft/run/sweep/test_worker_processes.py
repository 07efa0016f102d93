"""Commands side by side: how many, with what share of the machine, what is said of those that fail, how they are stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
import torch

from moft.run.sweep import worker_processes
from moft.run.sweep.worker_processes import DEVICES, THREADS, Job, run_jobs, shares_of

MEET = """
import pathlib, sys, time
own, other = map(pathlib.Path, sys.argv[1:])
own.touch()
until = time.monotonic() + 20
while not other.exists():
    if time.monotonic() > until: sys.exit("alone")
    time.sleep(0.005)
"""


@pytest.fixture(autouse=True)
def _heeding_interrupts():
    """As in a terminal: a shell's background jobs are started deaf to interrupts, and so are their children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run(tmp_path):
    """Runs Python programs as jobs; gives why each failed, by name, in the order of their ends."""

    def go(programs, shares=({}, {})):
        found = {}
        jobs = [Job(name, (sys.executable, "-c", *words), tmp_path / f"{name}.log") for name, words in programs.items()]
        run_jobs(jobs, shares, lambda ended: found.update({ended.job.name: ended.error}))
        return found

    return go


def test_two_workers_run_two_jobs_at_a_time(run, tmp_path):
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert run({"one": [MEET, a, b], "other": [MEET, b, a]}) == {"one": "", "other": ""}


def test_one_worker_runs_one_job_after_the_other(run, tmp_path):
    note = "import sys, time; f = open(sys.argv[1], 'a', 1); f.write('(')\nf.flush(); time.sleep(0.05); f.write(')')"
    run({name: [note, str(tmp_path / "notes")] for name in "abc"}, shares=[{}])
    assert (tmp_path / "notes").read_text() == "()()()"


def test_a_job_that_fails_says_why_and_the_others_run(run, tmp_path):
    found = run(
        {
            "mistake": ["print('moft: error: the cause.\\nafterwards'); raise SystemExit(2)"],
            "bug": ["raise ValueError('odd')"],
            "silent": ["raise SystemExit(3)"],
            "killed": ["import os; os.kill(os.getpid(), 9)"],
            "terminated": ["import os; os.kill(os.getpid(), 15)"],
            "good": ["print('fine')"],
        }
    )
    assert found == {
        "mistake": "the cause.",
        "bug": "ValueError: odd",
        "silent": "ended with exit code 3 and no output.",
        "killed": "killed by SIGKILL; the system does this when memory runs out, so try fewer --workers.",
        "terminated": "killed by SIGTERM.",
        "good": "",
    }
    assert (tmp_path / "good.log").read_text() == "fine\n"


def test_a_log_keeps_what_was_said_before_and_only_what_is_new_explains_a_failure(run, tmp_path):
    run({"job": ["print('moft: error: of old.')"]})
    assert run({"job": ["raise SystemExit(3)"]}) == {"job": "ended with exit code 3 and no output."}
    assert (tmp_path / "job.log").read_text() == "moft: error: of old.\n"


def test_each_worker_has_its_environment(run, tmp_path):
    show = "import os, sys; print(os.environ['SHARE'])"
    run({"a": [show], "b": [show]}, shares=[{"SHARE": "first"}, {"SHARE": "second"}])
    assert [(tmp_path / f"{name}.log").read_text() for name in "ab"] == ["first\n", "second\n"]


WAITING = """
import signal, sys, time
try:
    print('began', flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print('interrupted', flush=True)
    sys.exit(130)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda sent: sent.name)
def test_an_interrupt_interrupts_the_jobs_and_starts_no_more(sent, run, tmp_path):
    def interrupt():
        while not all((tmp_path / f"{name}.log").exists() and (tmp_path / f"{name}.log").stat().st_size for name in "ab"):
            time.sleep(0.005)
        os.kill(os.getpid(), sent)

    threading.Thread(target=interrupt, daemon=True).start()
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run({name: [WAITING] for name in "abc"})
    assert [(tmp_path / f"{name}.log").read_text() for name in "ab"] == ["began\ninterrupted\n"] * 2
    assert not (tmp_path / "c.log").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_job_that_does_not_heed_an_interrupt_is_killed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(worker_processes, "GRACE", 0.05)
    deaf = "import signal, time; signal.signal(2, signal.SIG_IGN); print('began', flush=True); time.sleep(60)"

    def interrupt():
        while not ((tmp_path / "a.log").exists() and (tmp_path / "a.log").stat().st_size):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run({"a": [deaf]})
    assert time.monotonic() - began < 20


@pytest.fixture
def machine(monkeypatch):
    """Makes a machine of so many cores and GPUs."""

    def make(cores, gpus=0, **environment):
        monkeypatch.setattr(worker_processes, "cores", lambda: cores)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: gpus > 0)
        for name in (THREADS, DEVICES):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return make


def test_on_the_cpu_workers_share_the_cores(machine):
    machine(8)
    assert shares_of(100, None, threads=None, is_cpu=True) == [{THREADS: "1"}] * 8
    assert shares_of(100, None, threads=3, is_cpu=True) == [{THREADS: "4"}] * 2
    assert shares_of(100, 3, threads=None, is_cpu=True) == [{THREADS: "2"}] * 3
    assert shares_of(100, 20, threads=None, is_cpu=False) == [{THREADS: "1"}] * 20
    assert shares_of(2, None, threads=None, is_cpu=True) == [{THREADS: "4"}] * 2


def test_the_users_own_number_of_threads_is_kept(machine):
    machine(8, OMP_NUM_THREADS="2,1")
    assert shares_of(100, None, threads=None, is_cpu=True) == [{}] * 4


def test_each_gpu_has_a_worker(machine):
    machine(8, gpus=2)
    assert shares_of(9, None, threads=None, is_cpu=False) == [{THREADS: "4", DEVICES: "0"}, {THREADS: "4", DEVICES: "1"}]
    assert [share[DEVICES] for share in shares_of(9, 3, threads=1, is_cpu=False)] == ["0", "1", "0"]
    assert all(DEVICES not in share for share in shares_of(9, None, threads=1, is_cpu=True))


def test_only_the_gpus_that_are_visible_have_a_worker(machine):
    machine(8, gpus=2, CUDA_VISIBLE_DEVICES="GPU-ab, 5")
    assert [share[DEVICES] for share in shares_of(9, None, threads=None, is_cpu=False)] == ["GPU-ab", "5"]


def test_another_accelerator_has_one_worker(machine, monkeypatch):
    machine(8)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    assert shares_of(9, None, threads=None, is_cpu=False) == [{THREADS: "8"}]
