"""Rows of a data file, of a folder of files, or of a dataset on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from moft import ConfigError, DataError
from moft.api import note_hub_request, user_path
from moft_llm.data.files.file_formats import SUFFIXES, Row, error_text, file_rows, form_of, stem_of

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("vali", "valid", "validation", "val", "dev"),
    "test": ("test",),
}
"""Names of files and hub splits; a file name may continue with a dash, as in `train-00000-of-00002.parquet`."""

HUB = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?")
"""A dataset on the hub: `owner/name`, or `owner/name:subset`."""


def rows(path: str, split: str | None = None) -> Iterator[Row]:
    """The rows of a file, of the files of a folder in the order of their names, or of a dataset on the hub.

    Args:
        path: a file or folder; else `owner/name` or `owner/name:subset` on the hub.
        split: `train`, `validation`, `test`, or the name of another split, takes only that of the folder or dataset; None takes
            everything.

    Raises:
        DataError: there is nothing at `path`, it has no such split, or a file cannot be read.
        ConfigError: a package that reads it is not installed.
    """
    if not path.strip():
        raise DataError("[task.data] path is empty; give a file, a folder or a dataset on the Hugging Face hub.")
    place = user_path(path)
    if place.is_dir():
        for file in _files(place, split):
            yield from file_rows(file)
    elif place.exists():
        if split is not None:
            raise DataError(
                f"{path}: one file stores no {split} split. Give a folder with a file for each split, or set task.splits: shares."
            )
        yield from file_rows(place)
    elif HUB.fullmatch(path) and not form_of(place):
        yield from _hub_rows(path, split)
    else:
        raise DataError(f"{path}: no such file or folder.")


def split_files(files: list[Path], folder: Path, split: str) -> list[Path]:
    """The files that hold a split, in one or several parts.

    Raises:
        DataError: there is none, or they have more than one name.
    """
    spellings = SPELLINGS.get(split, (split,))
    parts_by_name = {spelling: [file for file in files if stem_of(file).split("-")[0] == spelling] for spelling in spellings}
    named = {(spelling, file.suffix): file for spelling, parts in parts_by_name.items() for file in parts}
    if not named:
        found = ", ".join(dict.fromkeys(stem_of(file).split("-")[0] for file in files))
        raise DataError(f"{folder}: no {split} split; its file must be called {' or '.join(spellings)}. There is {found}.")
    if len(named) > 1:
        raise DataError(f"{folder}: more than one {split} split ({', '.join(file.name for file in named.values())}); keep one.")
    return next(parts for parts in parts_by_name.values() if parts)


def data_files(folder: Path) -> list[Path]:
    """The data files of a folder in the order of their names, or those of its folder `data`, where the hub puts them."""
    files = sorted(file for file in folder.iterdir() if form_of(file))
    inner = folder / "data"
    return files or (data_files(inner) if inner.is_dir() else [])


def _files(folder: Path, split: str | None) -> list[Path]:
    files = data_files(folder)
    if not files:
        folders = sorted(inner.name for inner in folder.iterdir() if inner.is_dir())
        there = f" It has the folders {', '.join(folders[:12])}; name one of them." if folders else ""
        raise DataError(f"{folder}: no file ends in {', '.join(SUFFIXES)}.{there}")
    return files if split is None else split_files(files, folder, split)


def _hub_rows(path: str, split: str | None) -> Iterator[Row]:
    try:
        import datasets
    except ImportError as error:
        raise ConfigError(
            f"{path}: no such file or folder. "
            "Datasets of the Hugging Face hub need the package datasets: pip install 'moft[llm]'."
        ) from error
    name, _, subset = path.partition(":")
    note_hub_request(path)
    try:
        stored = datasets.load_dataset(name, subset or None)
    except Exception as error:  # of the network, the hub, or its files
        raise DataError(
            f"{path}: no such file or folder, and no readable dataset on the Hugging Face hub ({error_text(error)})."
        ) from error
    wanted = list(stored) if split is None else [known for known in stored if known in SPELLINGS.get(split, (split,))]
    if not wanted:
        raise DataError(f"{path}: no {split} split; its splits are {', '.join(stored)}.")
    for known in wanted:
        for number, values in enumerate(stored[known], start=1):
            yield Row(f"{path} ({known}), row {number}", values)
