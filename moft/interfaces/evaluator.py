"""What an evaluator does: it measures a policy list by list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from moft.interfaces.policy import Steered
from moft.types import Batch, ListValues


@runtime_checkable
class Evaluator(Protocol):
    """Measures a steered policy, list by list. Built with `(objectives, main)` left of its star."""

    metric: str
    """The metric with its whole convention, in words; printed with every number."""

    def __call__(self, steered: Steered, batches: Iterable[Batch]) -> ListValues:
        """The values of every tradeoff, list and objective; larger is better, NaN where a list is skipped."""
        ...


@runtime_checkable
class LongEvaluator(Protocol):
    """An evaluator that takes minutes: it says before training whether it can measure, and meanwhile how far it is."""

    def check(self, steered: Steered, batches: Iterable[Batch]) -> None:
        """Nothing, when a policy can be measured on these lists, trained or not.

        Raises:
            ConfigError: it cannot.
        """
        ...

    def measure(self, steered: Steered, batches: Iterable[Batch], on_progress: Callable[[int], None]) -> ListValues:
        """As by a call; `tell` is called with how many tradeoffs are done, whenever one is."""
        ...
