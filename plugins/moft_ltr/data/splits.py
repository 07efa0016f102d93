"""Selects the queries of the training, validation and test splits: the files as they are, or folds of all queries."""

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
class QuerySubset:
    """Some queries of one file.

    Args:
        data: the file.
        lists: `[k]` int64, indices of the queries, in order.
    """

    data: Dataset
    lists: NDArray[np.int64]

    @property
    def items(self) -> NDArray[np.int64]:
        """Indices in the file of every document of these queries, query by query."""
        starts, ends = self.data.offsets[:-1][self.lists], self.data.offsets[1:][self.lists]
        lengths = ends - starts
        firsts = np.repeat(starts - np.concatenate([[0], lengths.cumsum()[:-1]]), lengths)
        return firsts + np.arange(lengths.sum())

    @property
    def offsets(self) -> NDArray[np.int64]:
        """`[k + 1]`, where each of these queries begins in `items`."""
        lengths = np.diff(self.data.offsets)[self.lists]
        return np.concatenate([[0], lengths.cumsum()])


def open_splits(
    data: str, cache: Path, *, folds: int | None, fold: int, short_lists: ShortLists
) -> Mapping[str, tuple[QuerySubset, ...]]:
    """The queries of every split, file by file.

    Args:
        data: a folder with one file or converted folder per split, or the name of a downloaded dataset.
        cache: for converted files.
        folds: None uses the files as they are; a number pools all queries, sorts them by qid and deals them into that many folds.
        fold: the fold, from 0, that is the test split; the next one is the validation split, the others are for training.
        short_lists: what to do with queries of one document, from which nothing can be learned.

    Raises:
        ConfigError: `fold` is not one of `folds`, or there are fewer than three folds.
        DataError: files are missing or have errors, differ in columns or share a qid, or a query has one document.
    """
    check_folds(folds, fold)
    folder = find_data(data, cache)
    files = {split: open_dataset(split_file(folder, split), cache) for split in SPLITS}
    columns = {file.columns for file in files.values()}
    if len(columns) > 1:
        counts = ", ".join(f"{file.source} has {file.columns}" for file in files.values())
        raise DataError(
            f"{data}: the splits differ in columns: {counts}. If the last columns are all zero, write the last one out on any "
            f"line of the others: {max(columns)}:0."
        )
    queries = {split: rankable_queries(file, short_lists) for split, file in files.items()}
    if folds is None:
        return {split: (QuerySubset(files[split], queries[split]),) for split in SPLITS}
    return _deal_folds(files, queries, folds, fold)


def check_folds(folds: int | None, fold: int) -> None:
    """Checks that there is such a fold.

    Raises:
        ConfigError: there is not, or there are fewer than three folds.
    """
    if folds is not None and (folds < 3 or not 0 <= fold < folds):
        raise ConfigError(f"[task.fold] fold {fold} of {folds}: there must be at least 3 folds, and fold counts from 0.")


def all_queries(data: Dataset) -> tuple[QuerySubset, ...]:
    """Every query of one file."""
    return (QuerySubset(data, np.arange(len(data))),)


def rankable_queries(data: Dataset, short_lists: ShortLists) -> NDArray[np.int64]:
    """The queries of at least two documents."""
    lengths = np.diff(data.offsets)
    short = np.flatnonzero(lengths < 2)
    if len(short) and short_lists == "refuse":
        raise DataError(
            f"{data.place(short[0])}: query qid:{data.qids[short[0]]} has one document (queries of one document: {len(short)}); "
            "ranking needs at least two. Set task.short_lists: drop to leave such queries out."
        )
    if len(short) == len(lengths):
        raise DataError(f"{data.source}: has no query of two documents or more, so there is nothing to rank.")
    return np.flatnonzero(lengths >= 2)


def _deal_folds(
    files: Mapping[str, Dataset], queries: Mapping[str, NDArray[np.int64]], folds: int, fold: int
) -> dict[str, tuple[QuerySubset, ...]]:
    """The splits of one fold: queries pooled over files, sorted by qid and dealt in turn."""
    order = list(files.values())
    file = np.concatenate([np.full(len(queries[split]), index) for index, split in enumerate(files)])
    lists = np.concatenate([queries[split] for split in files])
    qids = np.concatenate([data.qids[queries[split]] for split, data in files.items()])
    if len(np.unique(qids)) < len(qids):
        values, counts = np.unique(qids, return_counts=True)
        raise DataError(f"qid:{values[counts > 1][0]} is in more than one file; with folds, each qid must be unique.")
    if len(qids) < folds:
        raise DataError(f"[task.folds] {len(qids)} queries are too few for {folds} folds; each fold needs at least one.")
    fold_of_query = np.empty(len(qids), dtype=np.int64)
    fold_of_query[qids.argsort(kind="stable")] = np.arange(len(qids)) % folds
    split_of = {fold: "test", (fold + 1) % folds: "validation"}
    names = np.array([split_of.get(int(index), "train") for index in fold_of_query])
    return {
        split: tuple(
            QuerySubset(data, lists[(file == index) & (names == split)])
            for index, data in enumerate(order)
            if ((file == index) & (names == split)).any()
        )
        for split in SPLITS
    }
