"""The converted form of a dataset on disk: a folder of `.npy` arrays and `meta.json`, written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from moft import DataError
from moft.api import cache_advice, parse_json, temporary_folder

SCHEMA = 1
META = "meta.json"

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class QueryIndex:
    """Where each query begins, and its qid.

    Args:
        offsets: `[lists + 1]`; query i has the documents `offsets[i]` to `offsets[i + 1]`.
        qids: `[lists]`.
        lines: `[lists]`, the line of the source where each query begins, from 1; 0 if there is none.
    """

    offsets: Integers
    qids: Integers
    lines: Integers


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
        shape = (int(lists.offsets[-1]), columns)
        _write_header(file, np.dtype(np.float32), shape)
        for features, grades in blocks:
            rows = np.ascontiguousarray(features, dtype=np.float32)
            file.write(rows.data)
            digest.update(rows.data)
            relevance.append(grades.astype(np.float32, copy=False))
    arrays: dict[str, npt.NDArray[Any]] = {
        "relevance": np.concatenate(relevance),
        "offsets": lists.offsets,
        "qids": lists.qids,
        "lines": lists.lines,
    }
    for name, array in arrays.items():
        with (folder / f"{name}.npy").open("wb") as file:
            save_array(file, array)
    meta = {
        "schema": SCHEMA,
        "source": source,
        "sha256": sha256 or _finish_hash(digest, arrays["relevance"], lists),
        "lists": len(lists.qids),
        "items": shape[0],
        "columns": columns,
        "labels": dict(labels),
    }
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def save_array(file: BinaryIO, array: npt.NDArray[Any]) -> None:
    """Writes an array in numpy's format. Unlike `numpy.save`, the error on a full disk has its cause."""
    _write_header(file, array.dtype, array.shape)
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
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        found = meta.get("schema") if isinstance(meta, dict) else meta
        raise DataError(f"{path}: schema is {found!r}; this version of moft reads {SCHEMA}. Convert the source again.")
    sizes = [isinstance(meta.get(name), int) for name in ("lists", "items", "columns")]
    if not all(sizes) or not isinstance(meta.get("sha256"), str) or not isinstance(meta.get("labels"), dict):
        raise DataError(f"{path}: needs lists, items, columns, sha256 and labels. Convert the source again.")
    return meta


def read_array(folder: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Any:
    """The array `name` of a converted folder, memory-mapped for reading.

    Raises:
        DataError: it is missing or truncated, or has another type or shape.
    """
    path = folder / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: is missing from the converted dataset. Convert the source again.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: is truncated or not an array ({error}). Convert the source again.") from error
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise DataError(
            f"{path}: has {array.dtype} {list(array.shape)}, but {META} says {np.dtype(dtype)} {list(shape)}. "
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


def _write_header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Writes the header of a `.npy` file."""
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _finish_hash(digest: hashlib._Hash, relevance: Floats, lists: QueryIndex) -> str:
    """Adds relevance, offsets and qids to the digest of the features."""
    for array in (relevance, lists.offsets, lists.qids):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
