"""Runs commands in worker processes, several at a time, each with its share of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from moft.files.atomic_write import not_followed
from moft.interrupts import heeding_signals

THREADS = "OMP_NUM_THREADS"
DEVICES = "CUDA_VISIBLE_DEVICES"
PAUSE = 0.05
"""Seconds between two checks of the processes."""
GRACE = 30.0
"""Seconds that a process has to end after SIGINT."""
ERROR = "moft: error: "


@dataclass(frozen=True)
class Job:
    """A command to run.

    Args:
        name: for messages.
        command: program and arguments.
        log: file to which its output is appended.
    """

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass(frozen=True)
class JobResult:
    """The result of a command.

    Args:
        job: the command.
        seconds: how long it took.
        error: why it failed, on one line; empty if it succeeded.
    """

    job: Job
    seconds: float
    error: str


@dataclass(frozen=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    began: float
    log_begin: int


def run_jobs(jobs: Iterable[Job], shares: Sequence[Mapping[str, str]], on_end: Callable[[JobResult], object]) -> None:
    """Runs all jobs, as many at a time as there are shares; the others run on if one fails.

    The stdin of a job is a pipe that is closed when this process ends, even if it is killed.

    Args:
        jobs: in the order in which they start.
        shares: environment variables of each worker.
        on_end: called with the result of each job.

    Raises:
        KeyboardInterrupt: on SIGINT, SIGTERM or SIGHUP, after the running jobs were interrupted and have ended.
    """
    waiting, free = deque(jobs), deque(range(len(shares)))
    running: dict[int, _Running] = {}
    try:
        with heeding_signals():
            while waiting or running:
                while waiting and free:
                    worker = free.popleft()
                    running[worker] = _start(waiting.popleft(), shares[worker])
                finished = [worker for worker, job in running.items() if job.process.poll() is not None]
                for worker in finished:
                    on_end(_result(running.pop(worker)))
                    free.append(worker)
                if not finished:
                    time.sleep(PAUSE)
    finally:
        _stop([job.process for job in running.values()])


def shares_of(runs: int, workers: int | None, *, threads: int | None, is_cpu: bool) -> list[dict[str, str]]:
    """The environment variables of each worker: its GPU if there are any, and its number of threads.

    Args:
        runs: number of runs; there are no more workers than runs.
        workers: how many; None for one on each GPU, or on the CPU as many as the cores allow.
        threads: of each run; None for `OMP_NUM_THREADS`, or one.
        is_cpu: whether no GPU is used.
    """
    devices = [] if is_cpu else visible_devices()
    if workers is None:
        alone = not is_cpu and not devices and _has_other_accelerator()
        workers = len(devices) or (1 if alone else max(1, cores() // (threads or _threads_of_environment())))
    count = min(workers, runs)
    share = {} if THREADS in os.environ else {THREADS: str(max(1, cores() // max(1, count)))}
    return [share | ({DEVICES: devices[index % len(devices)]} if devices else {}) for index in range(count)]


def visible_devices() -> list[str]:
    """The CUDA devices that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    import torch

    count = torch.cuda.device_count()  # asks the driver; no device is occupied
    names = [name.strip() for name in os.environ.get(DEVICES, "").split(",") if name.strip()]
    return names[:count] or [str(index) for index in range(count)]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_other_accelerator() -> bool:
    import torch

    return torch.accelerator.is_available()


def _threads_of_environment() -> int:
    """The value of `OMP_NUM_THREADS`, or one."""
    first = os.environ.get(THREADS, "").partition(",")[0].strip()
    return max(1, int(first)) if first.isdecimal() else 1


def _start(job: Job, share: Mapping[str, str]) -> _Running:
    """Starts a job in its own session, so that an interrupt from the terminal reaches it only through `_stop`."""
    with open(job.log, "ab", opener=not_followed) as log:
        begin = log.tell()
        process = subprocess.Popen(
            job.command, stdin=subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, **share}, start_new_session=True
        )
    return _Running(job, process, time.monotonic(), begin)


def _result(running: _Running) -> JobResult:
    if running.process.stdin is not None:
        running.process.stdin.close()
    return JobResult(running.job, time.monotonic() - running.began, _failure(running))


def _failure(running: _Running) -> str:
    """Why a process failed: the signal that ended it, its last error, or the last line of its output; empty if it did not."""
    code = running.process.returncode
    if code == 0:
        return ""
    if code < 0:
        hint = "; the system does this when memory runs out, so try fewer --workers" if code == -signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{hint}."
    output = running.job.log.read_bytes()[running.log_begin :].decode(errors="replace")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    return (errors or lines or [f"ended with exit code {code} and no output."])[-1]


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupts processes and waits for them; kills those that do not end in time, and all of them on a second interrupt."""
    try:
        for process in processes:
            process.send_signal(signal.SIGINT)
        until = time.monotonic() + GRACE
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
    finally:
        for process in processes:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
