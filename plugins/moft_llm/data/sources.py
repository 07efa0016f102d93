"""Rows of a data file, of a folder of them, or of a data set of the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from moft import ConfigError, DataError
from moft_llm.data.file_formats import SUFFIXES, Row, file_rows, said_by
from moft_llm.loading.hub import tell_asked

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("vali", "valid", "validation", "val", "dev"),
    "test": ("test",),
}
"""Names that files and hub splits of each split may have; a file may go on with a dash, as in `train-00000-of-00002.parquet`."""

HUB = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")
"""A data set of the hub: `owner/name`, or `owner/name:subset`."""


def rows(path: str, split: str | None = None) -> Iterator[Row]:
    """The rows of a file, of a folder's files in the order of their names, or of a data set of the hub.

    Args:
        path: a file or folder, else the hub's `owner/name` or `owner/name:subset`.
        split: `train`, `validation` or `test` takes only what the folder or the data set calls so; None takes everything.

    Raises:
        DataError: there is nothing at `path`, it has no such split, or a file has a fault.
        ConfigError: a package that reads it is not installed.
    """
    if not path.strip():
        raise DataError("[task.data] path is empty; name a file, a folder or a data set of the hub.")
    place = Path(path).expanduser()
    if place.is_dir():
        for file in _files(place, split):
            yield from file_rows(file)
    elif place.exists():
        if split is not None:
            raise DataError(
                f"{path}: is one file, so it stores no {split} split; name a folder with a file for each, or use shares."
            )
        yield from file_rows(place)
    elif HUB.fullmatch(path) and place.suffix not in SUFFIXES:
        yield from _hub_rows(path, split)
    else:
        raise DataError(f"{path}: no such file or folder.")


def split_files(files: list[Path], folder: Path, split: str) -> list[Path]:
    """Those of the files that hold a split, in parts or whole.

    Raises:
        DataError: there are none, or they are of more than one name.
    """
    found = {spelling: [file for file in files if file.stem.split("-")[0] == spelling] for spelling in SPELLINGS[split]}
    named = {(spelling, file.suffix): file for spelling, parts in found.items() for file in parts}
    if not named:
        raise DataError(f"{folder}: has no {split} split; a file of it is called {' or '.join(SPELLINGS[split])}.")
    if len(named) > 1:
        raise DataError(
            f"{folder}: has more than one {split} split ({', '.join(file.name for file in named.values())}); keep one."
        )
    return next(parts for parts in found.values() if parts)


def _files(folder: Path, split: str | None) -> list[Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise DataError(f"{folder}: has no file that ends in {', '.join(SUFFIXES)}.")
    return files if split is None else split_files(files, folder, split)


def _hub_rows(path: str, split: str | None) -> Iterator[Row]:
    try:
        import datasets
    except ImportError as error:
        raise ConfigError(
            f"{path}: no such file or folder; reading it from the hub needs the package datasets: pip install 'moft[llm]'."
        ) from error
    name, _, subset = path.partition(":")
    tell_asked(path)
    try:
        stored = datasets.load_dataset(name, subset or None)
    except Exception as error:  # of the network, the hub, its files
        raise DataError(
            f"{path}: no such file or folder, and no data set of the hub that can be read ({said_by(error)})."
        ) from error
    wanted = list(stored) if split is None else [known for known in stored if known in SPELLINGS[split]]
    if not wanted:
        raise DataError(f"{path}: has no {split} split; it has {', '.join(stored)}.")
    for known in wanted:
        for number, values in enumerate(stored[known], start=1):
            yield Row(f"{path} ({known}), row {number}", values)
