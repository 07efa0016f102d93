"""Reads some documents of a text file again, with all the digits of their lines."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moft_ltr.data.splits import QuerySubset

SAMPLE = 50
"""Queries of a split that are read again, evenly spaced."""


@dataclass(frozen=True, eq=False)
class SourceSample:
    """Documents as the text file has them.

    Args:
        items: `[items]`, their indices in the converted file.
        numbers: `[items]`, their lines in the text file, from 1.
        rows: `[items, columns]`, their values with 64 bits.
        relevance: `[items]`, the first field of each line with 64 bits.
        starts: `[lists]`, where each query begins in `items`.
    """

    items: NDArray[np.int64]
    numbers: list[int]
    rows: NDArray[np.float64]
    relevance: NDArray[np.float64]
    starts: NDArray[np.int64]


def read_again(part: QuerySubset, columns: NDArray[np.int64]) -> SourceSample | None:
    """Documents of some queries of `part`, with the columns from 0 that are given; None if the data is no text file."""
    source, offsets = Path(part.data.source), part.data.offsets
    chosen = part.lists[np.linspace(0, len(part.lists) - 1, min(SAMPLE, len(part.lists))).astype(np.int64)]
    if not source.is_file() or not part.data.lines[chosen].all():
        return None
    numbers, lines = _lines(source, part, chosen)
    items = np.concatenate([np.arange(offsets[index], offsets[index + 1]) for index in chosen])
    lengths = offsets[chosen + 1] - offsets[chosen]
    rows, relevance = _values(b"".join(lines), part.data.columns)
    return SourceSample(items, numbers, rows[:, columns], relevance, lengths.cumsum() - lengths)


def _lines(source: Path, part: QuerySubset, chosen: NDArray[np.int64]) -> tuple[list[int], list[bytes]]:
    """Number and text of every document's line of some queries."""
    wanted = {int(part.data.lines[index]): int(part.data.offsets[index + 1] - part.data.offsets[index]) for index in chosen}
    numbers: list[int] = []
    lines: list[bytes] = []
    left = 0
    with source.open("rb") as file:
        for number, line in enumerate(file, start=1):
            left = wanted.pop(number, left)
            content = (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).split(b"#", 1)[0].strip()
            if left and content:
                numbers.append(number)
                lines.append(content + b"\n")
                left -= 1
            if not left and not wanted:
                break
    return numbers, lines


def _values(text: bytes, columns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`[items, columns]` and `[items]`, the values and the relevance of lines with all their digits."""
    from sklearn.datasets import load_svmlight_file

    features, relevance, _ = load_svmlight_file(
        io.BytesIO(text), n_features=columns, zero_based=False, query_id=True, dtype=np.float64
    )
    return np.asarray(features.toarray()), np.asarray(relevance)
