"""A converted data set on disk: a folder of plain arrays, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from moft import DataError

SCHEMA = 1
META = "meta.json"

Floats: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lists:
    """Where lists begin and what they are called.

    Args:
        offsets: `[lists + 1]`; list i holds the items `offsets[i]` to `offsets[i + 1]`.
        qids: `[lists]`.
        lines: `[lists]`, the line of the source that each list begins on, from 1; 0 where there is none.
    """

    offsets: Integers
    qids: Integers
    lines: Integers


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A temporary folder next to `target` that takes its name when the block ends well, and is removed otherwise.

    A folder that another process put there meanwhile stays as it is.

    Raises:
        DataError: the file system refuses, say because the disk is full.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.exists():  # else another process was faster
                raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"{target}: cannot be written: {reason}. Nothing was left there; make room or choose another place."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_dataset(
    folder: Path,
    blocks: Iterable[tuple[Floats, Floats]],
    lists: Lists,
    *,
    columns: int,
    source: str,
    labels: Mapping[str, int],
    sha256: str | None = None,
) -> None:
    """Writes a converted data set into `folder`, which is made, one block of items after the other.

    Plain writes, not a memory map: on a full disk those raise, where a memory map kills the process.

    Args:
        folder: where; `written_whole` gives one that is renamed at the end.
        blocks: features `[items, columns]` and relevance `[items]` of consecutive items.
        lists: the lists of all blocks together.
        columns: columns of every block.
        source: name of what the data came from.
        labels: column, from 1, of each label.
        sha256: content hash of the source; None takes the hash of what is written.
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
        "sha256": sha256 or _finished(digest, arrays["relevance"], lists),
        "lists": len(lists.qids),
        "items": shape[0],
        "columns": columns,
        "labels": dict(labels),
    }
    (folder / META).write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")


def save_array(file: BinaryIO, array: npt.NDArray[Any]) -> None:
    """Writes an array in numpy's own format; a full disk raises an error that says so, which `numpy.save` does not."""
    _write_header(file, array.dtype, array.shape)
    file.write(np.ascontiguousarray(array).data)


def content_hash(features: Floats, relevance: Floats, lists: Lists) -> str:
    """The hash that `write_dataset` gives a data set without a source: of features, relevance and lists."""
    digest = hashlib.sha256()
    for start in range(0, len(features), 1 << 16):
        digest.update(np.ascontiguousarray(features[start : start + (1 << 16)]).data)
    return _finished(digest, relevance, lists)


def read_meta(folder: Path) -> dict[str, Any]:
    """What `meta.json` of a converted folder says.

    Raises:
        DataError: there is none, or it is not of this schema.
    """
    path = folder / META
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        held = [
            entry.name for entry in sorted(folder.glob("*")) if entry.stem in ("train", "vali", "valid", "validation", "test")
        ]
        hint = f"It holds splits: name one, such as {folder / held[0]}." if held else "`moft data convert FILE OUT` makes one."
        raise DataError(f"{folder}: not a converted data set: it has no {META}. {hint}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Convert the source again with `moft data convert`.") from error
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        found = meta.get("schema") if isinstance(meta, dict) else meta
        raise DataError(f"{path}: schema is {found!r}; this version of moft reads {SCHEMA}. Convert the source again.")
    shapes = [isinstance(meta.get(name), int) for name in ("lists", "items", "columns")]
    if not all(shapes) or not isinstance(meta.get("sha256"), str) or not isinstance(meta.get("labels"), dict):
        raise DataError(f"{path}: lacks one of lists, items, columns, sha256, labels. Convert the source again.")
    return meta


def read_array(folder: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Any:
    """The array `name` of a converted folder, memory-mapped for reading.

    Raises:
        DataError: it is missing, cut short, or not of this type and shape.
    """
    path = folder / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing from the converted data set. Convert the source again.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cut short or not an array ({error}). Convert the source again.") from error
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise DataError(
            f"{path}: holds {array.dtype} {list(array.shape)}, where {META} asks for {np.dtype(dtype)} {list(shape)}. "
            "Convert the source again."
        )
    return array


def check_labels(source: str, labels: Mapping[str, int], columns: int) -> None:
    """Nothing, when every label is a column of the data.

    Raises:
        DataError: one is not.
    """
    for name, column in labels.items():
        if not isinstance(column, int) or not 1 <= column <= columns:
            raise DataError(f"{source}: label {name!r} is column {column!r}; the data has columns 1 to {columns}.")


def _write_header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """The head of a `.npy` file."""
    descr = np.lib.format.dtype_to_descr(dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _finished(digest: hashlib._Hash, relevance: Floats, lists: Lists) -> str:
    """The digest after relevance and lists have been added to the features."""
    for array in (relevance, lists.offsets, lists.qids):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
