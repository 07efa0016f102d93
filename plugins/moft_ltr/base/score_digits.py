"""Checks that a column of base scores keeps its digits with 32 bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from moft import DataError
from moft_ltr.base.source_lines import read_again
from moft_ltr.data.feature_scaling import read_column
from moft_ltr.data.splits import QuerySubset

TOLERANCE = 1e-5
"""Largest error of a score, as a share of the range of the scores within a query (the median over queries)."""

ADVICE = "Subtract one number from all scores in all files, so that they are near zero."


def digit_notes(part: QuerySubset, column: int) -> Iterator[str]:
    """A sentence if a converted folder may have lost digits of the scores in `column`, from 1.

    Raises:
        DataError: a text file has scores that lose digits; the message names its line.
    """
    sample = read_again(part, np.array([column - 1], dtype=np.int64))
    if sample is None:
        scores = read_column(part.data.features, part.items, column - 1)
        if np.spacing(np.abs(scores).max()) / 2 > TOLERANCE * _range(scores.astype(np.float64), part.offsets[:-1]):
            yield (
                f"{part.data.source}: the base scores in column {column} are far from zero, up to {np.abs(scores).max():g}, so "
                f"that 32 bits may have lost digits of them. {ADVICE}"
            )
        return
    expected = sample.rows[:, 0]
    found = read_column(part.data.features, sample.items, column - 1)
    off = np.abs(expected - found) > TOLERANCE * _range(expected, sample.starts)
    if off.any():
        first = int(off.argmax())
        raise DataError(
            f"{sample.places[first]}: the base score {expected[first]:.12g} in {part.data.column_name(column)} is "
            f"{found[first]:.9g} after moft has read it with 32 bits (documents that differ: {int(off.sum())} of {len(off)}). "
            f"{ADVICE}"
        )


def _range(scores: NDArray[np.float64], starts: NDArray[np.int64]) -> float:
    """The median over queries of the range of their scores, of those that are not constant; infinite if all are."""
    ranges = np.maximum.reduceat(scores, starts) - np.minimum.reduceat(scores, starts)
    return float(np.median(ranges[ranges > 0])) if (ranges > 0).any() else np.inf
