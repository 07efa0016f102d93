"""The processes that share one run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

T = TypeVar("T")


ModuleT = TypeVar("ModuleT", bound=nn.Module)


class ProcessGroup(ABC):
    """Processes of one command, which all do the same in the same order, each with a share of the work.

    What waits for the others (`first`, `summed`, and every pass through a model that is split) must be called by all of them,
    equally often.
    """

    index: int
    """Of this process, from 0."""
    count: int
    """How many there are."""
    is_sharding: bool
    """Whether each holds a part of every model in place of a copy; a large model then stays on the CPU until it is split."""

    @abstractmethod
    def first(self, act: Callable[[], T]) -> T | None:
        """What `act` gives in the main process, while the others wait; None in those.

        Raises:
            RunError: in the others, when it failed; in the main process its own error is raised.
        """

    @abstractmethod
    def summed(self, values: Tensor) -> Tensor:
        """The sum of what the processes give, of one shape, in each of them."""

    @abstractmethod
    def sharded(self, module: ModuleT) -> ModuleT:
        """`module` with all its models where they compute, each process with a part of them; only where `is_sharding`."""


class SingleProcess(ProcessGroup):
    """The team of a single process."""

    index, count, is_sharding = 0, 1, False

    def first(self, act: Callable[[], T]) -> T | None:
        return act()

    def summed(self, values: Tensor) -> Tensor:
        return values

    def sharded(self, module: ModuleT) -> ModuleT:
        return module
