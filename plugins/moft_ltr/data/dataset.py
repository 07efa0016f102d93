"""Ranking data of one file, as memory-mapped arrays, and where to find it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from moft import DataError
from moft_ltr.data.cache_key import cache_entry
from moft_ltr.data.dataset_folder import META, Floats, Integers, Lists, check_labels, read_array, read_meta
from moft_ltr.data.svmlight import convert

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("vali", "valid", "validation", "val", "dev"),
    "test": ("test",),
}
"""Names that files and folders of each split may have."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """The lists of one file, memory-mapped and read-only.

    Args:
        features: `[items, columns]`, every column of the file, labels too; column c of the file stands at c - 1.
        relevance: `[items]`, the first field of each line.
        offsets: `[lists + 1]`; list i holds the items `offsets[i]` to `offsets[i + 1]`.
        qids: `[lists]`.
        lines: `[lists]`, the line of the source that each list begins on, from 1; 0 where unknown.
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
        """How many columns there are, labels included."""
        return int(self.features.shape[1])

    @property
    def lists(self) -> Lists:
        """Where lists begin and what they are called."""
        return Lists(self.offsets, self.qids, self.lines)

    def place(self, index: int) -> str:
        """Where a list begins, for messages: the source and, where it is known, the line."""
        return f"{self.source}:{self.lines[index]}" if self.lines[index] else self.source


def open_dataset(path: Path, cache: Path) -> Dataset:
    """The data of an svmlight file, converted once and kept in `cache`, or of a converted folder.

    Raises:
        DataError: there is nothing at `path`, the file has a fault, or the folder is not whole.
    """
    if path.is_dir():
        return _read(path)
    entry = cache_entry(path, cache)
    if not entry.exists():
        convert(path, entry)
    try:
        data = _read(entry)
    except DataError:
        shutil.rmtree(entry, ignore_errors=True)
        convert(path, entry)
        data = _read(entry)
    return replace(data, source=str(path))


def find_data(text: str, cache: Path) -> Path:
    """The file or folder that a user means by `text`: a path, else the name of a fetched set.

    Raises:
        DataError: it is neither.
    """
    path = Path(text).expanduser()
    if path.exists():
        return path
    fetched = cache / "data" / text
    if text and fetched.exists():
        return fetched
    hint = " Run `moft data get mslr-sample` to fetch it." if text == "mslr-sample" else ""
    raise DataError(f"{text!r}: no such file or folder, and no fetched data of that name at {fetched}.{hint}")


def split_file(folder: Path, split: str) -> Path:
    """The file or converted folder of a split (`train`, `validation` or `test`) within a folder.

    Raises:
        DataError: there is none, or more than one.
    """
    if split not in SPELLINGS:
        raise DataError(f"split {split!r} is unknown; splits are {', '.join(SPELLINGS)}.")
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; the {split} split was looked for in it.")
    found = split_candidates(folder, split)
    if not found:
        names = [name for spelling in SPELLINGS[split] for name in (f"{spelling}.txt", f"{spelling}/")]
        raise DataError(f"{folder}: has no {split} split; looked for {', '.join(names)}.")
    if len(found) > 1:
        raise DataError(f"{folder}: has more than one {split} split ({', '.join(path.name for path in found)}); keep one.")
    return found[0]


def split_candidates(folder: Path, split: str) -> list[Path]:
    """Every text file and folder within `folder` that is named like the split."""
    files = [folder / f"{spelling}.txt" for spelling in SPELLINGS[split]]
    folders = [folder / spelling for spelling in SPELLINGS[split]]
    return [*(path for path in files if path.is_file()), *(path for path in folders if path.is_dir())]


def _read(folder: Path) -> Dataset:
    """The data of a converted folder, checked."""
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
        raise DataError(f"{folder}: offsets.npy does not ascend from 0 to the {items} items of {META}. Convert the source again.")
    check_labels(str(folder), data.labels, columns)
    return data
