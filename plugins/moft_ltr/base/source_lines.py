"""Reads some documents of a text file or a table again, with all their digits."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moft_ltr.data.converted.dataset_folder import META
from moft_ltr.data.readers.table_columns import TableColumns
from moft_ltr.data.readers.table_source import open_table
from moft_ltr.data.splits import QuerySubset

SAMPLE = 50
"""Queries of a split that are read again, evenly spaced."""


@dataclass(frozen=True, eq=False)
class SourceSample:
    """Documents as the source has them.

    Args:
        items: `[items]`, their indices in the converted file.
        places: `[items]`, the file and line or row of each, for messages.
        rows: `[items, columns]`, their values with 64 bits.
        relevance: `[items]`, the first field of each line with 64 bits.
        starts: `[lists]`, where each query begins in `items`.
    """

    items: NDArray[np.int64]
    places: list[str]
    rows: NDArray[np.float64]
    relevance: NDArray[np.float64]
    starts: NDArray[np.int64]


def read_again(part: QuerySubset, columns: NDArray[np.int64]) -> SourceSample | None:
    """Documents of some queries of `part`, with the columns from 0 that are given; None if the source is not there to read."""
    source, offsets = Path(part.data.source), part.data.offsets
    if part.data.facts.is_table:
        return _rows_again(part, columns) if source.exists() and not (source / META).exists() else None
    chosen = part.lists[np.linspace(0, len(part.lists) - 1, min(SAMPLE, len(part.lists))).astype(np.int64)]
    if not source.is_file() or not part.data.lines[chosen].all():
        return None
    numbers, lines = _lines(source, part, chosen)
    items = np.concatenate([np.arange(offsets[index], offsets[index + 1]) for index in chosen])
    lengths = offsets[chosen + 1] - offsets[chosen]
    places = [f"{source}:{number}" for number in numbers]
    rows, relevance = _values(b"".join(lines), part.data.columns)
    return SourceSample(items, places, rows[:, columns], relevance, lengths.cumsum() - lengths)


def _rows_again(part: QuerySubset, columns: NDArray[np.int64]) -> SourceSample | None:
    """Documents of the first queries of a part that are in the first block of a table, with 64 bits where these are numbers."""
    data, names = part.data, part.data.facts.names
    table = open_table(Path(data.source), TableColumns(query=data.facts.query_column))
    batch = next((block for block in table.blocks if len(block)), None)
    lists = part.lists[data.offsets[part.lists + 1] <= (0 if batch is None else len(batch))][:SAMPLE]
    if batch is None or not names or not len(lists):
        return None
    items = np.concatenate([np.arange(data.offsets[index], data.offsets[index + 1]) for index in lists])
    rows = data.features[items][:, columns].astype(np.float64)
    for place, column in enumerate(columns.tolist()):
        values = batch.column(names[column])
        if column + 1 not in data.facts.categories and values.type in ("double", "int64", "uint64", "int32", "uint32"):
            rows[:, place] = values.to_numpy(zero_copy_only=False)[items]
    lengths = data.offsets[lists + 1] - data.offsets[lists]
    places, relevance = [data.row_place(int(item)) for item in items], data.relevance[items].astype(np.float64)
    return SourceSample(items, places, rows, relevance, lengths.cumsum() - lengths)


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
