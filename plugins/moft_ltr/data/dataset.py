"""Opens ranking data, an svmlight file, a table or a converted folder, as memory-mapped arrays, and finds the file of a split."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft import DataError
from moft.api import user_path
from moft_ltr.data.converted.dataset_folder import (
    META,
    NO_TABLE,
    Floats,
    Integers,
    QueryIndex,
    TableFacts,
    check_labels,
    read_array,
    read_facts,
    read_id_array,
    read_meta,
)
from moft_ltr.data.converted.ids import Ids, Texts
from moft_ltr.data.readers.cache_key import cache_entry
from moft_ltr.data.readers.svmlight import convert
from moft_ltr.data.readers.table_columns import PLAIN, SPLIT_NAMES, Layout, TableColumns, reading_key, row_place
from moft_ltr.data.readers.table_conversion import convert_table, facts_layout, table_facts
from moft_ltr.data.readers.table_rows import TableRows
from moft_ltr.data.readers.table_source import SUFFIXES, is_table, open_frame, open_table, table_files

SPELLINGS = SPLIT_NAMES
"""Accepted names of the file or folder of each split."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """The queries of one file, memory-mapped and read-only.

    Args:
        features: `[items, columns]`, every column of the file, labels included; column c of the file is at index c - 1.
        relevance: `[items]`, the first field of each line.
        offsets: `[lists + 1]`; query i has the documents `offsets[i]` to `offsets[i + 1]`.
        qids: `[lists]`, integers, or texts as objects.
        lines: `[lists]`, the line of the source where each query begins, from 1; 0 if unknown.
        source: the path as the user gave it, for messages.
        sha256: content hash.
        labels: column, from 1, of each label that the data names itself.
        facts: what a table tells beside, such as the names of columns.
    """

    features: Floats
    relevance: Floats
    offsets: Integers
    qids: NDArray[Any]
    lines: Integers
    source: str
    sha256: str
    labels: Mapping[str, int]
    facts: TableFacts = NO_TABLE

    def __len__(self) -> int:
        return len(self.qids)

    @property
    def columns(self) -> int:
        """Number of columns, labels included."""
        return int(self.features.shape[1])

    @property
    def lists(self) -> QueryIndex:
        """Where each query begins, and its qid."""
        return QueryIndex(self.offsets, self.qids, self.lines)

    def place(self, index: int) -> str:
        """Where query `index` begins, for messages: the source, and the line or row if it is known."""
        if self.facts.is_table:
            return self.row_place(int(self.offsets[index]))
        return f"{self.source}:{self.lines[index]}" if self.lines[index] else self.source

    def row_place(self, item: int) -> str:
        """The file and row of a document of a table, for messages."""
        return row_place(self.source, self.facts.files, item)

    def query_name(self, index: int) -> str:
        """What messages call query `index`."""
        return repr(self.qids[index]) if self.facts.is_table else f"qid:{self.qids[index]}"

    def column_name(self, column: int) -> str:
        """What messages call a column, from 1."""
        return f"column {self.facts.names[column - 1]!r}" if self.facts.names else f"column {column}"


def open_dataset(path: Path, cache: Path, columns: TableColumns = PLAIN, layout: Layout | None = None) -> Dataset:
    """Opens a converted folder, or an svmlight file or a table, which is converted once into `cache`.

    Args:
        path: of the data.
        cache: for converted files.
        columns: what the columns of a table are.
        layout: the columns to read a table in; None for its own. Others are ignored.

    Raises:
        DataError: `path` does not exist, the file has an error, or the folder is incomplete or has another layout.
    """
    is_rows = is_table(path)
    if path.is_dir() and ((path / META).exists() or not is_rows):
        data = read_dataset(path)
        _check_same(data, layout)
        for name in columns.categorical:
            if name not in [data.facts.names[column - 1] for column in data.facts.categories]:
                raise DataError(f"{path}: column {name!r} was not converted as categories; convert it with --categorical {name}.")
        return data
    key = reading_key(columns, layout) if is_rows else ""
    entry = cache_entry([*table_files(path)] if is_rows else [path], cache, key)

    def make() -> None:
        if is_rows:
            convert_table(open_table(path, columns), entry, columns, layout)
        else:
            convert(path, entry)

    if not entry.exists():
        make()
    try:
        data = read_dataset(entry)
    except DataError:
        shutil.rmtree(entry, ignore_errors=True)
        make()
        data = read_dataset(entry)
    return replace(data, source=str(path))


def data_layout(data: Dataset, needed: Sequence[str] = ()) -> Layout | None:
    """The layout that further tables are read in so that they fit `data`; None where its columns have no names."""
    return facts_layout(data.facts.names, data.facts.categories, needed) if data.facts.names else None


def frame_dataset(frame: object, columns: TableColumns = PLAIN, layout: Layout | None = None) -> Dataset:
    """A frame, or an iterable of frames, in memory; see `open_frame`.

    Raises:
        DataError: the frame has an error.
    """
    table = open_frame(frame)
    rows = TableRows(table, columns, layout)
    features = np.concatenate(list(rows.blocks()))
    index = rows.queries.index
    return Dataset(
        features=features,
        relevance=np.zeros(len(features), dtype=np.float32),
        offsets=index.offsets,
        qids=index.qids,
        lines=index.lines,
        source=table.source,
        sha256="",
        labels={},
        facts=table_facts(table, rows, columns.split),
    )


def find_data(text: str, cache: Path) -> Path:
    """The file or folder that `text` refers to: a path, else the name of a downloaded dataset.

    Raises:
        DataError: it is neither.
    """
    path = user_path(text)
    if path.exists():
        return path
    downloaded = cache / "data" / text
    if text and downloaded.exists():
        return downloaded
    hint = " Run `moft data get mslr-sample` to download it." if text == "mslr-sample" else ""
    raise DataError(f"{text!r}: no such file or folder, and no downloaded dataset at {downloaded}.{hint}")


def split_file(folder: Path, split: str) -> Path:
    """The file or converted folder of a split (`train`, `validation` or `test`) within a folder.

    Raises:
        DataError: there is none, or more than one.
    """
    if split not in SPELLINGS:
        raise DataError(f"split {split!r} is unknown; available: {', '.join(SPELLINGS)}.")
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; name the folder that has the {split} split.")
    candidates = split_candidates(folder, split)
    if not candidates:
        names = [name for spelling in SPELLINGS[split] for name in (f"{spelling}.txt", f"{spelling}/")]
        tables = ", ".join(f"{SPELLINGS[split][0]}{suffix}" for suffix in SUFFIXES)
        raise DataError(f"{folder}: has no {split} split; looked for {', '.join(names)}, and tables such as {tables}.")
    if len(candidates) > 1:
        names = [path.name for path in candidates]
        raise DataError(f"{folder}: has more than one {split} split ({', '.join(names)}); keep one.")
    return candidates[0]


def split_candidates(folder: Path, split: str) -> list[Path]:
    """Every text file, table and folder in `folder` whose name is one of the split's."""
    files = [folder / f"{spelling}{suffix}" for spelling in SPELLINGS[split] for suffix in (".txt", *SUFFIXES)]
    folders = [folder / spelling for spelling in SPELLINGS[split]]
    return [*(path for path in files if path.is_file()), *(path for path in folders if path.is_dir())]


def read_dataset(folder: Path) -> Dataset:
    """Opens a converted folder and checks its arrays."""
    meta = read_meta(folder)
    lists, items, columns = meta["lists"], meta["items"], meta["columns"]
    data = Dataset(
        features=read_array(folder, "features", np.float32, (items, columns)),
        relevance=read_array(folder, "relevance", np.float32, (items,))
        if meta["relevance"]
        else np.zeros(items, dtype=np.float32),
        offsets=read_array(folder, "offsets", np.int64, (lists + 1,)),
        qids=_loaded(read_id_array(folder, "qids", meta["qids"], lists)),
        lines=read_array(folder, "lines", np.int64, (lists,)),
        source=str(folder),
        sha256=meta["sha256"],
        labels=meta["labels"],
        facts=read_facts(folder, meta),
    )
    if data.offsets[0] != 0 or data.offsets[-1] != items or (np.diff(data.offsets) < 1).any():
        raise DataError(f"{folder}: offsets.npy does not ascend from 0 to {items} as {META} says. Convert the source again.")
    check_labels(str(folder), data.labels, columns)
    return data


def _loaded(ids: Ids) -> NDArray[Any]:
    """Ids as one array, of objects where they are texts."""
    return ids[np.arange(len(ids))] if isinstance(ids, Texts) else ids


def _check_same(data: Dataset, layout: Layout | None) -> None:
    """Checks that a converted folder has the columns and categories of a layout.

    Raises:
        DataError: it has others; its source has to be converted in this layout.
    """
    if layout is None or not data.facts.names:
        return
    advice = "Convert its source again with `moft data convert --like`, which takes the columns of the other folder."
    for place, (own, other) in enumerate(zip_longest(data.facts.names, layout.names), start=1):
        if own != other:
            raise DataError(f"{data.source}: column {place} is {own!r}, but {other!r} in the training split. {advice}")
    own_layout = data_layout(data)
    for name, values in layout.categories.items():
        found = own_layout.categories.get(name, ()) if own_layout else ()
        if found[: len(values)] != values:
            raise DataError(
                f"{data.source}: the categories of column {name!r} have other codes than in the training split. {advice}"
            )
