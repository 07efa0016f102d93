"""The interface of evaluators, which measure a policy list by list."""

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
    """An evaluator that takes minutes: it is checked before training, and reports its progress."""

    def check(self, steered: Steered, batches: Iterable[Batch]) -> None:
        """Checks that a policy, trained or not, can be measured on these lists.

        Raises:
            ConfigError: it cannot.
        """
        ...

    def measure(self, steered: Steered, batches: Iterable[Batch], on_progress: Callable[[int], None]) -> ListValues:
        """Like a call; `on_progress` is called with the number of tradeoffs that are done, after each."""
        ...


@runtime_checkable
class NamedMetrics(Protocol):
    """An evaluator that measures each objective with the metrics that the objective names."""

    def check_labels(self, batches: Iterable[Batch], *, is_whole: bool) -> None:
        """Checks that these metrics can be measured on the labels of some lists.

        Args:
            batches: the lists; only labels, masks and weights are to be used.
            is_whole: True for all lists of a split; False for a few of them, of which nothing may be said to be missing.

        Raises:
            ConfigError: they cannot.
            DataError: they cannot.
        """
        ...
