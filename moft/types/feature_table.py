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


@dataclass(frozen=True)
class ReferenceTrees:
    """The LightGBM model that the reference of a task comes from.

    The reference is `shift + factor * output`, where output is the sum of the trees.

    Args:
        text: the model, as `parse_lightgbm` has written it.
        columns: for each of its features, the column, from 0, of an `ArrayReader` that it is read from.
        factor: of the outputs.
        shift: of the outputs.
    """

    text: str
    columns: tuple[int, ...]
    factor: float
    shift: float
