"""Models trained together: how many fit, how cores share them, and what they would have taken one after another."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor, nn

from moft.engine.training.job_records import TrainingCost

T = TypeVar("T")

_USED = 0.5  # share of the free memory that models trained together may take
_COPIES = 5  # of a parameter: itself, its gradient, two moments, the best so far
_RESERVE = 2  # what a step holds beside the tensors that it saves for its backward pass


class Cores:
    """Threads that take models in turn, each computing on one core; with one core, or models that draw, it is the caller alone.

    Work on one small model hardly gains from a second core, while two models keep two cores busy.

    Args:
        models: to be shared out.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._threads = torch.get_num_threads()
        workers = 1 if any(map(_draws, models)) else min(self._threads, len(models))
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) if workers > 1 else None

    def each(self, act: Callable[[int], T], count: int) -> list[T]:
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


class Clock:
    """Seconds of a job by purpose, and those of single models that were timed beside it.

    Args:
        device: whose work is waited for before the clock is read.
        spent: from a checkpoint.
    """

    def __init__(self, device: torch.device, spent: Mapping[str, float]) -> None:
        self.spent = dict(spent)
        self._device = device
        self._mark = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Of the job, without what was timed beside it."""
        return self.spent.get("steps", 0.0) + self.spent.get("evaluations", 0.0)

    def lap(self, *purposes: str, wait: bool = False) -> None:
        """Adds the time since the last lap to each of `purposes`."""
        if wait and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        for purpose in purposes:
            self.spent[purpose] = self.spent.get(purpose, 0.0) + now - self._mark
        self._mark = now

    def account(self, jobs: int, parameters: int) -> TrainingCost:
        """What `jobs` models took together, and would have taken one after another; NaN where that was not timed."""
        if jobs == 1:
            return TrainingCost(1, self.seconds, self.seconds, parameters)
        separate = sum(
            jobs * self.spent[purpose] * self._alone(purpose) for purpose in ("steps", "evaluations") if purpose in self.spent
        )
        return TrainingCost(jobs, self.seconds, separate, parameters)

    def _alone(self, purpose: str) -> float:
        """Time of one model over that of all together, where both were timed."""
        together = self.spent.get(f"{purpose}, timed together", 0.0)
        return self.spent.get(f"{purpose}, timed alone", math.nan) / together if together else math.nan


def fitting(models: Sequence[nn.Module], losses: Iterable[Callable[[], Tensor]], device: torch.device) -> int:
    """How many of the models can be trained together in the memory that is free now; at least one.

    Args:
        models: of one shape.
        losses: each computes a loss of the first one on some batch.
        device: where they are.
    """
    parameters = [parameter for parameter in models[0].parameters() if parameter.requires_grad]
    held = _COPIES * sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    need = held + _RESERVE * max(map(_saved_bytes, losses), default=0)
    return max(1, min(len(models), int(_USED * _free_bytes(device) / max(need, 1))))


def _saved_bytes(loss: Callable[[], Tensor]) -> int:
    """Bytes that a forward pass keeps for its backward pass."""
    sizes: dict[int, int] = {}

    def packed(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(packed, lambda tensor: tensor):
        loss()
    return sum(sizes.values())


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return int(psutil.virtual_memory().available)


def _draws(module: nn.Module) -> bool:
    """Whether a module draws random numbers, which threads would take in no fixed order."""
    return any(isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0 for part in module.modules())
