"""The columns of a task's features."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureTable:
    """The columns of the features of a task's items.

    Args:
        names: of the columns, in order.
        categorical: the columns, from 0, whose numbers are codes of categories.
    """

    names: tuple[str, ...]
    categorical: tuple[int, ...] = ()
