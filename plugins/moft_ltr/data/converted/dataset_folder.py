"""The converted form of a dataset on disk: a folder of `.npy` arrays and `meta.json`, written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from moft import DataError
from moft.api import cache_advice, parse_json, temporary_folder
from moft_ltr.data.converted.ids import Ids, id_arrays, read_ids

SCHEMA = 2
"""Version 1, of moft up to 0.2.0, has numbers as ids of queries, and no names, ids of documents, categories or missing values."""
META = "meta.json"

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]
Category: TypeAlias = str | int


@dataclass(frozen=True, eq=False)
class QueryIndex:
    """Where each query begins, and its qid.

    Args:
        offsets: `[lists + 1]`; query i has the documents `offsets[i]` to `offsets[i + 1]`.
        qids: `[lists]`, integers, or texts as objects.
        lines: `[lists]`, the line of the source where each query begins, from 1; 0 if there is none.
    """

    offsets: Integers
    qids: npt.NDArray[Any]
    lines: Integers


@dataclass(frozen=True, eq=False)
class TableFacts:
    """What a table tells beyond numbers; nothing of an svmlight file.

    Args:
        names: of the columns, in order; empty where the data has none.
        categories: by column, from 1, the categories that its codes 0, 1, ... stand for.
        features: the columns, from 1, that are features; None where all are that are no labels.
        text: by name, the type of each column of the source that was left out because it holds no numbers.
        files: name and number of rows of each file that the rows come from, in order; empty if it is the source itself.
        is_table: whether NaN marks missing values, so that a zero is a zero, and places are rows and not lines.
        has_relevance: whether each document has a relevance beside the columns; zeros stand for it otherwise.
        query_column: name of the column of query ids; None where the rows have none.
        split_column: name of the column that `splits` was read from.
        splits: `[lists]` int8, of each query: 0 train, 1 validation, 2 test.
        items: `[items]`, ids of the documents.
    """

    names: tuple[str, ...] = ()
    categories: Mapping[int, tuple[Category, ...]] = field(default_factory=dict)
    features: tuple[int, ...] | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    files: tuple[tuple[str, int], ...] = ()
    is_table: bool = False
    has_relevance: bool = True
    query_column: str | None = None
    split_column: str | None = None
    splits: npt.NDArray[np.int8] | None = None
    items: Ids | None = None


NO_TABLE = TableFacts()

_ID_KINDS = ("integer", "text")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`, renamed to it when the block succeeds and removed when it fails.

    If another process creates `target` in the meantime, that folder is kept.

    Raises:
        DataError: the file system refuses, for example because the disk is full.
    """
    try:
        with temporary_folder(target) as temporary:
            yield temporary
            try:
                os.rename(temporary, target)
            except OSError:
                if not target.exists():  # else another process was faster
                    raise
    except OSError as error:
        reason = error.strerror or str(error)
        is_full, more = error.errno in (errno.ENOSPC, errno.EDQUOT), cache_advice(target)
        advice = "; free some space or choose another folder" if is_full else "" if more else "; choose another folder"
        raise DataError(f"{target}: cannot be written: {reason}. Nothing was left there{advice}.{more}") from error


def write_dataset(
    folder: Path,
    blocks: Iterable[tuple[Floats, Floats]],
    lists: QueryIndex,
    *,
    columns: int,
    source: str,
    labels: Mapping[str, int],
    sha256: str | None = None,
) -> None:
    """Writes a converted dataset into `folder`, which is created, block by block.

    It does not write through a memory map: on a full disk a write raises an error, but a memory map kills the process.

    Args:
        folder: to create, usually inside a `new_folder`, so that it appears complete.
        blocks: features `[items, columns]` and relevance `[items]` of consecutive documents.
        lists: the queries of all blocks together.
        columns: number of columns of every block.
        source: name of the file or program that the data comes from.
        labels: column, from 1, of each label.
        sha256: content hash of the source; None hashes what is written.
    """
    folder.mkdir(exist_ok=True)
    relevance: list[Floats] = []
    digest = hashlib.sha256()
    with (folder / "features.npy").open("wb") as file:
        write_header(file, np.dtype(np.float32), (int(lists.offsets[-1]), columns))
        for features, grades in blocks:
            rows = np.ascontiguousarray(features, dtype=np.float32)
            file.write(rows.data)
            digest.update(rows.data)
            relevance.append(grades.astype(np.float32, copy=False))
    every = np.concatenate(relevance)
    sha256 = sha256 or _finish_hash(digest, every, lists)
    finish_dataset(folder, every, lists, columns=columns, source=source, labels=labels, sha256=sha256)


def finish_dataset(
    folder: Path,
    relevance: Floats | None,
    lists: QueryIndex,
    *,
    columns: int,
    source: str,
    labels: Mapping[str, int],
    sha256: str,
    facts: TableFacts = NO_TABLE,
) -> None:
    """Writes everything of a converted dataset but its features; arguments are those of `write_dataset`.

    Args:
        relevance: `[items]`; None where the documents have none.
        facts: what a table tells beside.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        **({} if relevance is None else {"relevance": relevance}),
        "offsets": lists.offsets,
        "lines": lists.lines,
        **id_arrays("qids", lists.qids),
        **({} if facts.items is None else id_arrays("items", facts.items)),
        **({} if facts.splits is None else {"splits": facts.splits}),
    }
    for name, array in arrays.items():
        with (folder / f"{name}.npy").open("wb") as file:
            save_array(file, array)
    meta = {
        "schema": SCHEMA,
        "source": source,
        "sha256": sha256,
        "lists": len(lists.qids),
        "items": int(lists.offsets[-1]),
        "columns": columns,
        "labels": dict(labels),
        "qids": "text" if "qids_ends" in arrays else "integer",
        "item_ids": None if facts.items is None else "text" if "items_ends" in arrays else "integer",
        "names": list(facts.names) or None,
        "categories": {str(column): list(values) for column, values in facts.categories.items()},
        "features": None if facts.features is None else list(facts.features),
        "text": dict(facts.text),
        "files": [list(file) for file in facts.files],
        "missing": "nan" if facts.is_table else None,
        "relevance": relevance is not None,
        "query": facts.query_column,
        "split": facts.split_column,
    }
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def save_array(file: BinaryIO, array: npt.NDArray[Any]) -> None:
    """Writes an array in numpy's format. Unlike `numpy.save`, the error on a full disk has its cause."""
    write_header(file, array.dtype, array.shape)
    file.write(np.ascontiguousarray(array).data)


def content_hash(features: Floats, relevance: Floats, lists: QueryIndex) -> str:
    """The hash that `write_dataset` stores when it is given none: of features, relevance, offsets and qids."""
    digest = hashlib.sha256()
    for start in range(0, len(features), 1 << 16):
        digest.update(np.ascontiguousarray(features[start : start + (1 << 16)]).data)
    return _finish_hash(digest, relevance, lists)


def read_meta(folder: Path) -> dict[str, Any]:
    """The checked content of `meta.json` of a converted folder.

    Raises:
        DataError: the file is missing, broken, or of another schema.
    """
    path = folder / META
    try:
        meta = parse_json(path.read_bytes())
    except FileNotFoundError as error:
        splits = [
            entry.name for entry in sorted(folder.glob("*")) if entry.stem in ("train", "vali", "valid", "validation", "test")
        ]
        hint = f"It has splits: name one, such as {folder / splits[0]}." if splits else "Make one: `moft data convert FILE OUT`."
        raise DataError(f"{folder}: is not a converted dataset: it has no {META}. {hint}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Convert the source again with `moft data convert`.") from error
    if not isinstance(meta, dict) or meta.get("schema") not in (1, SCHEMA):
        found = meta.get("schema") if isinstance(meta, dict) else meta
        raise DataError(f"{path}: schema is {found!r}; this version of moft reads 1 and {SCHEMA}. Convert the source again.")
    sizes = [isinstance(meta.get(name), int) for name in ("lists", "items", "columns")]
    if not all(sizes) or not isinstance(meta.get("sha256"), str) or not isinstance(meta.get("labels"), dict):
        raise DataError(f"{path}: needs lists, items, columns, sha256 and labels. Convert the source again.")
    if meta["schema"] == 1:
        return meta | {"qids": "integer", "relevance": True}
    if meta.get("qids") not in _ID_KINDS or meta.get("item_ids") not in (None, *_ID_KINDS) or not _are_facts(meta):
        raise DataError(f"{path}: a value has another form than moft writes. Convert the source again.")
    return meta


def read_facts(folder: Path, meta: Mapping[str, Any]) -> TableFacts:
    """What a table told, from `meta.json` as `read_meta` gives it, and its arrays.

    Raises:
        DataError: an array is missing or damaged.
    """
    if meta["schema"] == 1:
        return NO_TABLE
    lists, items = meta["lists"], meta["items"]
    splits = None if meta["split"] is None else read_array(folder, "splits", np.int8, (lists,))
    if splits is not None and not ((splits >= 0) & (splits < 3)).all():
        raise DataError(f"{folder / 'splits.npy'}: has a number other than 0, 1 and 2. Convert the source again.")
    return TableFacts(
        names=tuple(meta["names"] or ()),
        categories={int(column): tuple(values) for column, values in meta["categories"].items()},
        features=None if meta["features"] is None else tuple(meta["features"]),
        text=meta["text"],
        files=tuple((name, rows) for name, rows in meta["files"]),
        is_table=meta["missing"] == "nan",
        has_relevance=meta["relevance"],
        query_column=meta["query"],
        split_column=meta["split"],
        splits=splits,
        items=None if meta["item_ids"] is None else read_id_array(folder, "items", meta["item_ids"], items),
    )


def read_id_array(folder: Path, name: str, kind: str, count: int) -> Ids:
    """The ids in the files `NAME.npy` of a converted folder, memory-mapped.

    Raises:
        DataError: a file is missing or damaged.
    """
    return read_ids(name, kind, count, partial(read_array, folder))


def read_array(folder: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...] | None) -> Any:
    """The array `name` of a converted folder, memory-mapped for reading; a `shape` of None is any length.

    Raises:
        DataError: it is missing or truncated, or has another type or shape.
    """
    path = folder / f"{name}.npy"
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: is missing from the converted dataset. Convert the source again.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: is truncated or not an array ({error}). Convert the source again.") from error
    if shape is None and array.ndim == 1:
        shape = array.shape
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise DataError(
            f"{path}: has {array.dtype} {list(array.shape)}, but {META} says {np.dtype(dtype)} {list(shape or ())}. "
            "Convert the source again."
        )
    return array


def check_labels(source: str, labels: Mapping[str, int], columns: int) -> None:
    """Checks that every label is a column of the data.

    Raises:
        DataError: one is not.
    """
    for name, column in labels.items():
        if not isinstance(column, int) or not 1 <= column <= columns:
            raise DataError(f"{source}: label {name!r} is column {column!r}; the data has columns 1 to {columns}.")


def write_header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Writes the header of a `.npy` file, which has the same length for any number of rows."""
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _finish_hash(digest: hashlib._Hash, relevance: Floats, lists: QueryIndex) -> str:
    """Adds relevance, offsets and qids to the digest of the features."""
    for array in (relevance, lists.offsets, *id_arrays("qids", lists.qids).values()):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _are_facts(meta: Mapping[str, Any]) -> bool:
    """Whether everything of a `TableFacts` has its form."""
    columns = meta["columns"]
    names, categories, features, files = (meta.get(key) for key in ("names", "categories", "features", "files"))

    def is_column(value: object) -> bool:
        return isinstance(value, int) and 1 <= value <= columns

    return (
        (names is None or (isinstance(names, list) and len({*names}) == columns and all(isinstance(n, str) for n in names)))
        and isinstance(categories, dict)
        and all(
            column.isdecimal() and is_column(int(column)) and all(isinstance(value, str | int) for value in values)
            for column, values in categories.items()
        )
        and (features is None or (isinstance(features, list) and all(map(is_column, features))))
        and isinstance(files, list)
        and all(isinstance(file, list) and list(map(type, file)) == [str, int] for file in files)
        and isinstance(meta.get("text"), dict)
        and meta.get("missing") in (None, "nan")
        and isinstance(meta.get("relevance"), bool)
        and isinstance(meta.get("split"), str | None)
        and isinstance(meta.get("query"), str | None)
    )
