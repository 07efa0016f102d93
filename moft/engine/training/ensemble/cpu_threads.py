"""Threads that work on the models of an ensemble, each on one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import nn

T = TypeVar("T")


class CpuThreads:
    """Threads that take models in turn, each computing on one core.

    A small model hardly gains from a second core, while two models keep two cores busy. With one core, or with models that
    draw random numbers, the calling thread does all the work.

    Args:
        models: to work on.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._threads = torch.get_num_threads()
        workers = 1 if any(_draws(model) for model in models) else min(self._threads, len(models))
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) if workers > 1 else None

    def map(self, act: Callable[[int], T], count: int) -> list[T]:
        """What `act` gives for 0 to `count` - 1, in order."""
        if self._pool is None:
            return [act(index) for index in range(count)]
        torch.set_num_threads(1)  # of the linear algebra too, whose setting all threads share
        try:
            return list(self._pool.map(act, range(count)))
        finally:
            torch.set_num_threads(self._threads)

    def close(self) -> None:
        """Ends the threads."""
        if self._pool is not None:
            self._pool.shutdown()


def _draws(module: nn.Module) -> bool:
    """Whether a module draws random numbers, which several threads would draw in no fixed order."""
    return any(isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0 for part in module.modules())
