"""Programs that take turns, each in a process of its own, so that what slows the machine slows all of them."""

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


class Racer:
    """A program in a process of its own that goes one stretch further each time it is asked, and tells what it measured.

    It says `answer` and a JSON object when it is ready, then again for each line on its standard input.

    Args:
        command: what to run.
        threads: of OpenMP and MKL there.
    """

    def __init__(self, command: Sequence[str], threads: int) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, env=environment
        )
        self.facts = self._answer()

    def __enter__(self) -> Racer:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._said.close()

    def ask(self) -> dict[str, Any]:
        """The next answer."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.write("\n")
            stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        for line in self._process.stdout or ():
            first, _, rest = line.partition(" ")
            if first == "answer":
                found: dict[str, Any] = json.loads(rest)
                return found
        code = self._process.wait()
        self._said.seek(0)
        raise RuntimeError(f"{self._process.args!r} ended with code {code} before it answered:\n{self._said.read()[-2000:]}")


class Stretches:
    """The steps of a training in the process of a `Racer`: after every few it tells what they took, and waits.

    Args:
        steps: of a stretch.
        device: `cuda` tells the most memory of the GPU that the stretch took, in place of the process's.
    """

    def __init__(self, steps: int, device: str = "cpu") -> None:
        self._steps, self._device = steps, device
        self._losses: list[float] = []
        self._processor = self._wall = 0.0

    def ready(self, facts: Mapping[str, Any]) -> None:
        """Says `facts`, and waits; the first stretch begins when this returns."""
        if self._device == "cuda":
            import torch

            torch.cuda.empty_cache()  # others may be measured before
        assignment(facts)
        self._wait()

    def step(self, loss: float) -> None:
        """A step is over."""
        self._losses.append(loss)
        if len(self._losses) < self._steps:
            return
        if self._device == "cuda":
            import torch

            torch.cuda.synchronize()
        processor, wall = time.process_time() - self._processor, time.perf_counter() - self._wall
        assignment({"processor": processor, "wall": wall, "losses": self._losses, "peak": self._peak()})
        self._wait()

    def _peak(self) -> float:
        """MB."""
        if self._device == "cpu":
            return resident("VmHWM")
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


def assignment(values: Mapping[str, Any]) -> None:
    """Says, in the process of a `Racer`, what was measured."""
    print("answer", json.dumps(values), flush=True)


def resident(which: str = "VmRSS") -> float:
    """MB of memory that this process holds, or with `VmHWM` the most that it ever held, as Linux counts them.

    `ru_maxrss` will not do: a process inherits it from the one that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {which}.")
