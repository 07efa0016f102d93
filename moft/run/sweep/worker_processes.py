"""Commands in processes of their own, several side by side, each with its share of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

THREADS = "OMP_NUM_THREADS"
DEVICES = "CUDA_VISIBLE_DEVICES"
PAUSE = 0.05
"""Seconds between two looks at the processes."""
GRACE = 30.0
"""Seconds that a process has to end after an interrupt."""
ERROR = "moft: error: "


@dataclass(frozen=True)
class Job:
    """A command to run.

    Args:
        name: what it is called.
        command: its words.
        log: file to which its output is added.
    """

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass(frozen=True)
class JobResult:
    """A command that has ended.

    Args:
        job: which.
        seconds: that it took.
        error: why it failed, on one line; empty when it did not.
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


def run_jobs(jobs: Iterable[Job], shares: Sequence[Mapping[str, str]], ended: Callable[[JobResult], object]) -> None:
    """Runs all jobs, as many at a time as there are shares; one that fails does not keep the others from running.

    A job reads from a pipe that is closed when this process ends, however it ends.

    Args:
        jobs: in the order in which they begin.
        shares: environment variables of each worker.
        ended: told of each job.

    Raises:
        KeyboardInterrupt: on SIGINT and on SIGTERM, once the running jobs were interrupted and have ended.
    """
    waiting, free = deque(jobs), deque(range(len(shares)))
    running: dict[int, _Running] = {}
    try:
        with _terminable():
            while waiting or running:
                while waiting and free:
                    worker = free.popleft()
                    running[worker] = _started(waiting.popleft(), shares[worker])
                over = [worker for worker, one in running.items() if one.process.poll() is not None]
                for worker in over:
                    ended(_ended(running.pop(worker)))
                    free.append(worker)
                if not over:
                    time.sleep(PAUSE)
    finally:
        _stop([one.process for one in running.values()])


def shares_of(runs: int, workers: int | None, *, threads: int | None, is_cpu: bool) -> list[dict[str, str]]:
    """The environment variables of each worker: a GPU where there is one, and its part of the cores.

    Args:
        runs: no more workers than these.
        workers: how many; None for one on each GPU, or on the CPU as many as have cores for their threads.
        threads: of each run; None for those that `OMP_NUM_THREADS` says, or one.
        is_cpu: True keeps off any GPU.
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

    count = torch.cuda.device_count()  # asks the driver's library; no device is taken
    named = [name.strip() for name in os.environ.get(DEVICES, "").split(",") if name.strip()]
    return named[:count] or [str(index) for index in range(count)]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_other_accelerator() -> bool:
    import torch

    return torch.accelerator.is_available()


def _threads_of_environment() -> int:
    """What `OMP_NUM_THREADS` says, or one."""
    first = os.environ.get(THREADS, "").partition(",")[0].strip()
    return max(1, int(first)) if first.isdecimal() else 1


def _started(job: Job, share: Mapping[str, str]) -> _Running:
    """The job in a process and session of its own, so that an interrupt from the terminal reaches it only through `_stop`."""
    with job.log.open("ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            job.command, stdin=subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, **share}, start_new_session=True
        )
    return _Running(job, process, time.monotonic(), begin)


def _ended(one: _Running) -> JobResult:
    if one.process.stdin is not None:
        one.process.stdin.close()
    return JobResult(one.job, time.monotonic() - one.began, _failure(one))


def _failure(one: _Running) -> str:
    """Why a process failed: the signal that ended it, its last error, or the last thing that it said."""
    code = one.process.returncode
    if code == 0:
        return ""
    if code < 0:
        hint = "; the system does so when memory is short, which fewer --workers may mend" if code == -signal.SIGKILL else ""
        return f"killed by {signal.Signals(-code).name}{hint}."
    said = one.job.log.read_bytes()[one.log_begin :].decode(errors="replace")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    return (errors or lines or [f"ended with {code} and said nothing."])[-1]


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupts processes and waits until they have ended; those that do not are killed, and all are on a second interrupt."""
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


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM as an interrupt, where signals can be handled: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
