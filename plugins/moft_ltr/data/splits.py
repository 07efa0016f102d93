"""Which lists are trained on, validated on and tested on: files as they are, or folds dealt from all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moft import ConfigError, DataError
from moft_ltr.data.dataset import Dataset, find_data, open_dataset, split_file

SPLITS = ("train", "validation", "test")
ShortLists = Literal["refuse", "drop"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some lists of one file.

    Args:
        data: the file.
        lists: `[k]` int64, which of its lists, in order.
    """

    data: Dataset
    lists: NDArray[np.int64]

    @property
    def items(self) -> NDArray[np.int64]:
        """Every item of these lists, list after list."""
        starts, ends = self.data.offsets[:-1][self.lists], self.data.offsets[1:][self.lists]
        lengths = ends - starts
        firsts = np.repeat(starts - np.concatenate([[0], lengths.cumsum()[:-1]]), lengths)
        return firsts + np.arange(lengths.sum())

    @property
    def offsets(self) -> NDArray[np.int64]:
        """`[k + 1]`, where each of these lists begins among `items`."""
        lengths = np.diff(self.data.offsets)[self.lists]
        return np.concatenate([[0], lengths.cumsum()])


def open_splits(
    data: str, cache: Path, *, folds: int | None, fold: int, short_lists: ShortLists
) -> Mapping[str, tuple[Chosen, ...]]:
    """The lists of every split, file by file.

    Args:
        data: a folder with one file or converted folder per split, or the name of a fetched set.
        cache: for converted files.
        folds: None takes the files as they are; a number pools all lists, sorts them by qid and deals them into that many folds.
        fold: which one, from 0, is the test split; the next one is validation, the others train.
        short_lists: what to do with lists of one item, which say nothing.

    Raises:
        ConfigError: `fold` is not one of `folds`, or there are fewer than three folds.
        DataError: files are missing, faulty, differ in columns or share a qid, or a list has one item.
    """
    folder = find_data(data, cache)
    files = {split: open_dataset(split_file(folder, split), cache) for split in SPLITS}
    columns = {file.columns for file in files.values()}
    if len(columns) > 1:
        counts = ", ".join(f"{file.source} has {file.columns}" for file in files.values())
        raise DataError(
            f"{data}: the splits differ in columns: {counts}. Where the last ones are all zero, write them out once, as in 9:0."
        )
    kept = {split: _long_enough(file, short_lists) for split, file in files.items()}
    if folds is None:
        return {split: (Chosen(files[split], kept[split]),) for split in SPLITS}
    if folds < 3 or not 0 <= fold < folds:
        raise ConfigError(f"[task.fold] fold {fold} of {folds} folds: there must be at least 3 folds, counted from 0.")
    return _dealt(files, kept, folds, fold)


def chosen_whole(data: Dataset) -> tuple[Chosen, ...]:
    """Every list of one file."""
    return (Chosen(data, np.arange(len(data))),)


def _long_enough(data: Dataset, short_lists: ShortLists) -> NDArray[np.int64]:
    """The lists of at least two items."""
    lengths = np.diff(data.offsets)
    short = np.flatnonzero(lengths < 2)
    if len(short) and short_lists == "refuse":
        raise DataError(
            f"{data.place(short[0])}: list qid:{data.qids[short[0]]} has one item (lists of one item here: {len(short)}); "
            "a list needs at least two. Set task.short_lists to drop to leave such lists out."
        )
    if len(short) == len(lengths):
        raise DataError(f"{data.source}: has no list of two items or more, so there is nothing to rank.")
    return np.flatnonzero(lengths >= 2)


def _dealt(
    files: Mapping[str, Dataset], kept: Mapping[str, NDArray[np.int64]], folds: int, fold: int
) -> dict[str, tuple[Chosen, ...]]:
    """Lists pooled over files, sorted by qid and dealt in turn."""
    order = list(files.values())
    file = np.concatenate([np.full(len(kept[split]), index) for index, split in enumerate(files)])
    lists = np.concatenate([kept[split] for split in files])
    qids = np.concatenate([data.qids[kept[split]] for split, data in files.items()])
    if len(np.unique(qids)) < len(qids):
        values, counts = np.unique(qids, return_counts=True)
        raise DataError(f"qid:{values[counts > 1][0]} stands in more than one file; folds need every qid once.")
    if len(qids) < folds:
        raise DataError(f"[task.folds] {len(qids)} lists cannot be dealt into {folds} folds; each needs one list at least.")
    hand = np.empty(len(qids), dtype=np.int64)
    hand[qids.argsort(kind="stable")] = np.arange(len(qids)) % folds
    split_of = {fold: "test", (fold + 1) % folds: "validation"}
    names = np.array([split_of.get(int(index), "train") for index in hand])
    return {
        split: tuple(
            Chosen(data, lists[(file == index) & (names == split)])
            for index, data in enumerate(order)
            if ((file == index) & (names == split)).any()
        )
        for split in SPLITS
    }
