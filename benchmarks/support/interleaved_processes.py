"""Runs programs that are compared in processes that take turns, so that other load on the machine affects all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class InterleavedProcess:
    """A program in a process that works for one turn when told to, then sends what it measured and waits.

    Protocol: the program prints `reply` and a JSON object when it is ready, and again after each line on its standard input.

    Args:
        command: to run.
        threads: of OpenMP and MKL in the process.
    """

    def __init__(self, command: Sequence[str], threads: int) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment
        )
        self.facts = self._reply()

    def __enter__(self) -> InterleavedProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._errors.close()

    def advance(self) -> dict[str, Any]:
        """Starts the next turn and returns its measurements."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.write("\n")
            stdin.flush()
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        for line in self._process.stdout or ():
            first, _, rest = line.partition(" ")
            if first == "reply":
                values: dict[str, Any] = json.loads(rest)
                return values
        code = self._process.wait()
        self._errors.seek(0)
        raise RuntimeError(f"{self._process.args!r} ended with code {code} before its reply:\n{self._errors.read()[-2000:]}")


class StepTimer:
    """Times the steps of a training inside an `InterleavedProcess`: a turn is a few steps, then it replies and waits.

    Args:
        steps: number of steps of a turn.
        device: with `cuda`, replies have the peak memory of the GPU during the turn instead of that of the process.
    """

    def __init__(self, steps: int, device: str = "cpu") -> None:
        self._steps, self._device = steps, device
        self._losses: list[float] = []
        self._processor = self._wall = 0.0

    def ready(self, facts: Mapping[str, Any]) -> None:
        """Replies with `facts` and waits; the first turn begins when this returns."""
        if self._device == "cuda":
            import torch

            torch.cuda.empty_cache()  # other processes may be measured first
        send_reply(facts)
        self._wait()

    def step(self, loss: float) -> None:
        """Ends a step."""
        self._losses.append(loss)
        if len(self._losses) < self._steps:
            return
        if self._device == "cuda":
            import torch

            torch.cuda.synchronize()
        processor, wall = time.process_time() - self._processor, time.perf_counter() - self._wall
        send_reply({"processor": processor, "wall": wall, "losses": self._losses, "peak": self._peak()})
        self._wait()

    def _peak(self) -> float:
        """Peak memory in MB."""
        if self._device == "cpu":
            return resident_memory("VmHWM")
        import torch

        return torch.cuda.max_memory_allocated() / 1e6

    def _wait(self) -> None:
        if self._device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
        if not sys.stdin.readline():
            sys.exit()
        self._losses = []
        self._processor, self._wall = time.process_time(), time.perf_counter()


def send_reply(values: Mapping[str, Any]) -> None:
    """Sends measurements from inside an `InterleavedProcess`."""
    print("reply", json.dumps(values), flush=True)


def resident_memory(which: str = "VmRSS") -> float:
    """Resident memory of this process in MB, or with `VmHWM` its peak, as Linux counts them.

    `ru_maxrss` is not usable, since a process inherits it from its parent.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {which}.")
