"""What is noted of missing values of main labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from moft_ltr.data.columns import column_number
from moft_ltr.data.feature_scaling import read_column
from moft_ltr.data.label_transforms import MainLabel
from moft_ltr.data.splits import QuerySubset


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
