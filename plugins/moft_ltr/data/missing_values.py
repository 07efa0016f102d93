"""What is refused and noted of missing values: those of features that a network reads, and of main labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from moft import DataError
from moft_ltr.data.columns import column_number
from moft_ltr.data.feature_scaling import Floats, read_column
from moft_ltr.data.label_transforms import MainLabel
from moft_ltr.data.splits import QuerySubset


def refuse_missing(block: Floats, part: QuerySubset, columns: NDArray[np.int64], begin: int) -> None:
    """Checks that no feature of some documents is missing.

    Args:
        block: `[k, features]`, of documents one after the other.
        part: which they are of.
        columns: `[features]`, their columns from 0.
        begin: the place of the first of them in `part.items`.

    Raises:
        DataError: one is missing; the message has its row and column.
    """
    if not np.isnan(block).any():
        return
    row, column = (int(place[0]) for place in np.nonzero(np.isnan(block)))
    data, found = part.data, int(columns[column]) + 1
    count = int(np.isnan(block[:, column]).sum())
    raise DataError(
        f"{data.row_place(int(part.items[begin + row]))}: {data.column_name(found)} is missing (in {count} of {len(block)} rows "
        "from there on), and the network cannot read missing values. Fill them in, or list the column in task.exclude; a base "
        "model may still read it, by task.base.columns."
    )


def missing_main_notes(parts: Sequence[QuerySubset], main: MainLabel | None) -> Iterator[str]:
    """A sentence if documents have no main label."""
    if main is None:
        return
    missing = 0
    for part in parts:
        if main.column is None:
            missing += int(np.isnan(part.data.relevance[part.items]).sum())
        else:
            column = column_number(part.data, main.column, "task.main.column")
            missing += int(np.isnan(read_column(part.data.features, part.items, column - 1)).sum())
    if missing:
        yield f"main: {missing:,} training documents have no label of the main objective; they count as 0."
