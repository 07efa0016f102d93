"""The interfaces of tasks that give examples of what a policy is asked for, such as for a page on which one tries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ExampleQuery:
    """A list with its features, as a request gives it.

    Args:
        name: of the list.
        features: names of the columns, those of the task's array reader.
        rows: `[list, features]` float32, NaN where a value is missing.
        items: names of the items; empty where the data has none.
    """

    name: str
    features: tuple[str, ...]
    rows: NDArray[np.float32]
    items: tuple[str, ...] = ()


@runtime_checkable
class OffersQueries(Protocol):
    """A task of rankers that has lists to try a policy on."""

    def example_queries(self, count: int) -> Sequence[ExampleQuery]:
        """The first `count` lists of the validation split; the policy of the run is built.

        Raises:
            DataError: the data are missing.
        """
        ...


@runtime_checkable
class OffersPrompts(Protocol):
    """A task of language models: a policy of it answers prompts."""

    def example_prompts(self, count: int) -> Sequence[str]:
        """The first `count` prompts of the validation split that are texts, or a chat of one message.

        Raises:
            DataError: the data are missing.
        """
        ...
