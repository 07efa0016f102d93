"""Checks that base scores and labels keep their digits with 32 bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moft import DataError
from moft_ltr.base.source_lines import read_again
from moft_ltr.data.columns import COARSE, label_columns
from moft_ltr.data.features.feature_scaling import read_column
from moft_ltr.data.label_transforms import LabelColumn, MainLabel
from moft_ltr.data.splits import QuerySubset

TOLERANCE = 1e-5
"""Largest error of a score, as a share of the range of the scores within a query (the median over queries)."""

ADVICE = "Subtract one number from all scores in all files, so that they are near zero."
LABEL_ADVICE = "Subtract one number, such as the smallest label, from all of them in all files, so that they are near zero."


@dataclass(frozen=True)
class _Words:
    """What messages call the numbers of a column: one of them, all of them, and what to do."""

    one: str
    all: str
    advice: str


def digit_notes(part: QuerySubset, column: int) -> Iterator[str]:
    """A sentence if a converted folder may have lost digits of the base scores in `column`, from 1.

    Raises:
        DataError: a text file has scores that lose digits; the message names its line.
    """
    yield from _notes(part, column, TOLERANCE, _Words("the base score", f"the base scores in column {column}", ADVICE))


def label_digit_notes(
    splits: Mapping[str, Sequence[QuerySubset]], objectives: Mapping[str, LabelColumn], main: MainLabel | None
) -> dict[str, str]:
    """A sentence for each objective, by name, whose labels may have lost digits in a converted folder, and for `main`.

    Text files are read again only where 32 bits are few for the labels in there.

    Raises:
        DataError: a text file has labels that lose digits; the message names its line.
    """
    found: dict[str, str] = {}
    for part in (part for parts in splits.values() for part in parts):
        numbers: dict[str, int | None] = dict(label_columns(part.data, objectives, main))
        for name, column in (numbers if main is None else {"main": None, **numbers}).items():
            where = "the relevance" if column is None else f"column {column}"
            words = _Words(f"the label of {name!r},", f"the labels of {name!r} in {where}", LABEL_ADVICE)
            if _is_coarse(part, column, COARSE):
                for note in _notes(part, column, COARSE, words):
                    found.setdefault(name, note)
    return found


def _notes(part: QuerySubset, column: int | None, tolerance: float, words: _Words) -> Iterator[str]:
    """What `digit_notes` gives, of the numbers in a column, or of the relevance."""
    sample = read_again(part, np.array([] if column is None else [column - 1], dtype=np.int64))
    if sample is None:
        if _is_coarse(part, column, tolerance):
            yield (
                f"{part.data.source}: {words.all} are far from zero, up to {np.abs(_stored(part, column, part.items)).max():g}, "
                f"so that 32 bits may have lost digits of them. {words.advice}"
            )
        return
    expected = sample.relevance if column is None else sample.rows[:, 0]
    found = _stored(part, column, sample.items)
    off = np.abs(expected - found) > tolerance * _range(expected, sample.starts)
    if off.any():
        first = int(off.argmax())
        raise DataError(
            f"{sample.places[first]}: {words.one} {expected[first]:.12g} in "
            f"{'the relevance' if column is None else part.data.column_name(column)} is {found[first]:.9g} after moft has read "
            f"it with 32 bits (documents that differ: {int(off.sum())} of {len(off)}). {words.advice}"
        )


def _is_coarse(part: QuerySubset, column: int | None, tolerance: float) -> bool:
    """Whether 32 bits may be few for numbers as large as those in a column; also if they tell none of them apart any more."""
    values = _stored(part, column, part.items).astype(np.float64)
    error, spread = np.spacing(np.float32(np.abs(values).max())) / 2, _range(values, part.offsets[:-1])
    return bool(error > (tolerance * spread if np.isfinite(spread) else tolerance))


def _stored(part: QuerySubset, column: int | None, items: NDArray[np.int64]) -> NDArray[np.float32]:
    """The numbers as moft has read them."""
    if column is None:
        return np.asarray(part.data.relevance[items], dtype=np.float32)
    return read_column(part.data.features, items, column - 1)


def _range(scores: NDArray[np.float64], starts: NDArray[np.int64]) -> float:
    """The median over queries of the range of their scores, of those that are not constant; infinite if all are."""
    ranges = np.maximum.reduceat(scores, starts) - np.minimum.reduceat(scores, starts)
    return float(np.median(ranges[ranges > 0])) if (ranges > 0).any() else np.inf
