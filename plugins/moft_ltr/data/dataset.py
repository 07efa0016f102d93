"""Opens ranking data, an svmlight file or a converted folder, as memory-mapped arrays, and finds the file of a split."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from moft import DataError
from moft.api import user_path
from moft_ltr.data.cache_key import cache_entry
from moft_ltr.data.dataset_folder import META, Floats, Integers, QueryIndex, check_labels, read_array, read_meta
from moft_ltr.data.svmlight import convert

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("vali", "valid", "validation", "val", "dev"),
    "test": ("test",),
}
"""Accepted names of the file or folder of each split."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """The queries of one file, memory-mapped and read-only.

    Args:
        features: `[items, columns]`, every column of the file, labels included; column c of the file is at index c - 1.
        relevance: `[items]`, the first field of each line.
        offsets: `[lists + 1]`; query i has the documents `offsets[i]` to `offsets[i + 1]`.
        qids: `[lists]`.
        lines: `[lists]`, the line of the source where each query begins, from 1; 0 if unknown.
        source: the path as the user gave it, for messages.
        sha256: content hash.
        labels: column, from 1, of each label that the data names itself.
    """

    features: Floats
    relevance: Floats
    offsets: Integers
    qids: Integers
    lines: Integers
    source: str
    sha256: str
    labels: Mapping[str, int]

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
        """Where query `index` begins, for messages: the source, and the line if it is known."""
        return f"{self.source}:{self.lines[index]}" if self.lines[index] else self.source


def open_dataset(path: Path, cache: Path) -> Dataset:
    """Opens a converted folder, or an svmlight file, which is converted once into `cache`.

    Raises:
        DataError: `path` does not exist, the file has an error, or the folder is incomplete.
    """
    if path.is_dir():
        return read_dataset(path)
    entry = cache_entry(path, cache)
    if not entry.exists():
        convert(path, entry)
    try:
        data = read_dataset(entry)
    except DataError:
        shutil.rmtree(entry, ignore_errors=True)
        convert(path, entry)
        data = read_dataset(entry)
    return replace(data, source=str(path))


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
        raise DataError(f"{folder}: has no {split} split; looked for {', '.join(names)}.")
    if len(candidates) > 1:
        names = [path.name for path in candidates]
        raise DataError(f"{folder}: has more than one {split} split ({', '.join(names)}); keep one.")
    return candidates[0]


def split_candidates(folder: Path, split: str) -> list[Path]:
    """Every text file and folder in `folder` whose name is one of the split's."""
    files = [folder / f"{spelling}.txt" for spelling in SPELLINGS[split]]
    folders = [folder / spelling for spelling in SPELLINGS[split]]
    return [*(path for path in files if path.is_file()), *(path for path in folders if path.is_dir())]


def read_dataset(folder: Path) -> Dataset:
    """Opens a converted folder and checks its arrays."""
    meta = read_meta(folder)
    lists, items, columns = meta["lists"], meta["items"], meta["columns"]
    data = Dataset(
        features=read_array(folder, "features", np.float32, (items, columns)),
        relevance=read_array(folder, "relevance", np.float32, (items,)),
        offsets=read_array(folder, "offsets", np.int64, (lists + 1,)),
        qids=read_array(folder, "qids", np.int64, (lists,)),
        lines=read_array(folder, "lines", np.int64, (lists,)),
        source=str(folder),
        sha256=meta["sha256"],
        labels=meta["labels"],
    )
    if data.offsets[0] != 0 or data.offsets[-1] != items or (np.diff(data.offsets) < 1).any():
        raise DataError(f"{folder}: offsets.npy does not ascend from 0 to {items} as {META} says. Convert the source again.")
    check_labels(str(folder), data.labels, columns)
    return data
