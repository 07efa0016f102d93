"""The interface to the processes that share one run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

T = TypeVar("T")


ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ProcessGroup(ABC):
    """Processes of one command, which all do the same in the same order, each with a share of the work.

    All of them must call `first`, `summed`, and every pass through a sharded model equally often, because these wait for the
    other processes.
    """

    index: int
    """Of this process, from 0."""
    count: int
    """How many there are."""
    is_sharding: bool
    """Whether each holds a part of every model instead of a copy; a large model then stays on the CPU until it is sharded."""

    @abstractmethod
    def first(self, act: Callable[[], T]) -> T | None:
        """The result of `act`, which the main process calls while the others wait; None in those.

        Raises:
            RunError: in the others, if it failed; the main process raises the error itself.
        """

    @abstractmethod
    def summed(self, values: Tensor) -> Tensor:
        """The sum of the processes' values, all of one shape, in each of them."""

    @abstractmethod
    def sharded(self, module: ModuleT) -> ModuleT:
        """`module` on the devices that compute, with a part of every model in each process; only if `is_sharding`."""


class SingleProcess(ProcessGroup):
    """The process group of a single process."""

    index, count, is_sharding = 0, 1, False

    def first(self, act: Callable[[], T]) -> T | None:
        return act()

    def summed(self, values: Tensor) -> Tensor:
        return values

    def sharded(self, module: ModuleT) -> ModuleT:
        return module
