"""The first queries of every split, for checks that must not take as long as reading all the data."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from moft_ltr.data.dataset import Dataset, find_data, open_dataset, read_dataset, split_file
from moft_ltr.data.readers.cache_key import cache_entry
from moft_ltr.data.readers.svmlight import convert
from moft_ltr.data.readers.table_source import is_table
from moft_ltr.data.splits import SPLITS, QuerySubset, ShortLists, is_one_dataset, rankable_queries

READ_WHOLE = 4 << 20
"""Bytes of a text file that is read whole, as training would; of a larger one, which was never converted, the first lines are."""
FIRST_LINES = 1 << 20
"""Bytes of these."""
SCANNED = 64 << 20
"""Bytes of a text file that are searched for the largest column."""
QUERIES = 1000
"""Queries of a file that are looked at."""
VALUES = 4_000_000
"""Values of a file, over all its columns, that are looked at."""


def unread_files(data: str, cache: Path) -> dict[str, Path]:
    """By split, the svmlight file, if it is too large to be read for a check and was never converted; tables are converted fast.

    Raises:
        DataError: there are no data, or a split is missing.
    """
    folder = find_data(data, cache)
    if is_one_dataset(folder):
        return {}
    files = {split: split_file(folder, split) for split in SPLITS}
    return {
        split: path
        for split, path in files.items()
        if not path.is_dir() and not is_table(path) and path.stat().st_size > READ_WHOLE and not cache_entry(path, cache).exists()
    }


def first_queries(parts: tuple[QuerySubset, ...]) -> tuple[QuerySubset, ...]:
    """The first queries of each file of a split."""
    chosen = []
    for part in parts:
        most = int(np.searchsorted(part.offsets[1:], VALUES // part.data.columns, side="right"))
        chosen.append(replace(part, lists=part.lists[: max(1, min(QUERIES, most))]))
    return tuple(chosen)


def first_of_each(
    unread: Mapping[str, Path], data: str, cache: Path, short_lists: ShortLists, columns: int
) -> dict[str, tuple[QuerySubset, ...]]:
    """The first queries of each split: of an unread file from its first lines, of another one from all of it.

    Args:
        unread: from `unread_files`.
        data: a folder with one file or converted folder per split, or the name of a downloaded dataset.
        cache: of converted files.
        short_lists: what to do with queries of one document.
        columns: of an unread file at least, since a column of zeros may be absent.

    Raises:
        DataError: what was read has an error.
    """
    found = {}
    for split in SPLITS:
        if split in unread:
            file = dataset_of_first_lines(unread[split], columns)
        else:
            file = open_dataset(split_file(find_data(data, cache), split), cache)
        found[split] = first_queries((QuerySubset(file, rankable_queries(file, short_lists)),))
    return found


def dataset_of_first_lines(path: Path, columns: int) -> Dataset:
    """The whole queries in the first `FIRST_LINES` bytes of a text file, in memory, with at least so many columns.

    If not even the first query ends there, more lines are read.

    Raises:
        DataError: one of these lines has an error.
    """
    size, last = FIRST_LINES, 0
    with tempfile.TemporaryDirectory() as temporary:
        while not last:
            head, is_whole = Path(temporary) / str(size), size >= path.stat().st_size
            convert(path, head, block=size, is_head=True)
            read, size = read_dataset(head), 4 * size
            last = len(read) if is_whole else len(read) - 1  # the last query may be cut off
        items = int(read.offsets[last])
        features = np.zeros((items, max(columns, read.columns)), dtype=np.float32)
        features[:, : read.columns] = read.features[:items]
        return replace(
            read,
            features=features,
            relevance=np.array(read.relevance[:items]),
            offsets=np.array(read.offsets[: last + 1]),
            qids=np.array(read.qids[:last]),
            lines=np.array(read.lines[:last]),
            source=str(path),
        )


def largest_column(path: Path) -> tuple[int, bool]:
    """The largest column in the first `SCANNED` bytes of a text file, and whether that is all of it; skips malformed pairs."""
    largest, read = 0, 0
    with path.open("rb") as file:
        while line := file.readline(FIRST_LINES):
            pair = line.partition(b"#")[0].rpartition(b":")[0].rpartition(b" ")[2]
            largest = max(largest, int(pair)) if pair.isdigit() and len(pair) < 9 else largest
            if (read := read + len(line)) > SCANNED:
                return largest, False
    return largest, True


def list_counts(splits: Mapping[str, tuple[QuerySubset, ...]]) -> list[int]:
    """How many queries each file of each split has."""
    return [len(part.lists) for parts in splits.values() for part in parts]
