"""Selects the queries of the training, validation and test splits: by file, by a column, by a hash of the id, or as folds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moft import ConfigError, DataError
from moft_ltr.data.converted.dataset_folder import META
from moft_ltr.data.dataset import Dataset, data_layout, find_data, open_dataset, split_candidates, split_file
from moft_ltr.data.readers.query_rows import SPLIT_NUMBERS
from moft_ltr.data.readers.table_columns import PLAIN, TableColumns
from moft_ltr.data.readers.table_source import is_table

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
    data: str,
    cache: Path,
    *,
    folds: int | None,
    fold: int,
    short_lists: ShortLists,
    columns: TableColumns = PLAIN,
    shares: Mapping[str, float] | None = None,
) -> Mapping[str, tuple[QuerySubset, ...]]:
    """The queries of every split, file by file.

    Args:
        data: a folder with one file, table or converted folder per split, or the name of a downloaded dataset; with a column of
            splits, shares or folds also one file, table or converted folder.
        cache: for converted files.
        folds: None uses the files as they are; a number pools all queries, sorts them by qid and deals them into that many folds.
        fold: the fold, from 0, that is the test split; the next one is the validation split, the others are for training.
        short_lists: what to do with queries of one document, from which nothing can be learned.
        columns: what the columns of tables are, a column of splits among them.
        shares: of the queries by split, which are dealt by a hash of their ids; None for another way.

    Raises:
        ConfigError: `fold` is not one of `folds`, there are fewer than three folds, or the shares are wrong.
        DataError: files are missing or have errors, differ in columns or share a qid, or a query has one document.
    """
    check_folds(folds, fold)
    folder = find_data(data, cache)
    if is_one_dataset(folder):
        data_of_all = open_dataset(folder, cache, columns)
        found = data_of_all.facts.split_column
        if columns.split not in (None, found):
            how = f"with the splits of column {found!r}" if found else "without splits"
            raise ConfigError(
                f"[task.split] {data} was converted {how}; convert its source with --split {columns.split}, or give shares."
            )
        return split_one(data_of_all, folds, fold, short_lists, shares)
    if shares or columns.split:
        raise ConfigError(
            f"[task.split] {data} has a file for each split; leave task.split out, or name one file, table or folder of tables."
        )
    files = open_files(folder, cache, columns)
    counted = {file.columns for file in files.values()}
    if len(counted) > 1:
        counts = ", ".join(f"{file.source} has {file.columns}" for file in files.values())
        raise DataError(
            f"{data}: the splits differ in columns: {counts}. If the last columns are all zero, write the last one out on any "
            f"line of the others: {max(counted)}:0."
        )
    queries = {split: rankable_queries(file, short_lists) for split, file in files.items()}
    if folds is None:
        return {split: (QuerySubset(files[split], queries[split]),) for split in SPLITS}
    return _deal_folds(files, queries, folds, fold)


def is_one_dataset(path: Path) -> bool:
    """Whether a path is one file, table or converted folder, and no folder with one for each split."""
    if not path.is_dir() or (path / META).exists():
        return True
    return is_table(path) and not any(split_candidates(path, split) for split in SPLITS)


def open_files(folder: Path, cache: Path, columns: TableColumns) -> dict[str, Dataset]:
    """The file of each split; of tables, in the columns and categories of the training split."""
    train = open_dataset(split_file(folder, "train"), cache, columns)
    layout = data_layout(train, train.facts.names)
    files = {split: open_dataset(split_file(folder, split), cache, columns, layout) for split in SPLITS[1:]}
    for file in files.values():
        if bool(file.facts.names) != bool(train.facts.names):
            named, other = (train, file) if train.facts.names else (file, train)
            raise DataError(f"{other.source}: its columns have no names, but those of {named.source} have; write both alike.")
    return {"train": train, **files}


def hash_share(qid: object) -> float:
    """A number from 0 to below 1 that depends on the text of a query id alone."""
    return int.from_bytes(hashlib.blake2b(str(qid).encode(), digest_size=8).digest(), "big") / 2**64


def check_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares by split, under the splits' own names.

    Raises:
        ConfigError: a split is unknown, has no share or has it twice, or they do not add up to one.
    """
    found: dict[str, float] = {}
    for name, share in shares.items():
        split = SPLITS[SPLIT_NUMBERS[name]] if name in SPLIT_NUMBERS else None
        if split is None or split in found or not 0 < share < 1:
            what = "is no split" if split is None else "is there twice" if split in found else f"has {share:g}, not 0 to 1"
            raise ConfigError(f"[task.split] {name!r} {what}; give shares of train, validation and test that add up to 1.")
        found[split] = share
    if len(found) < len(SPLITS) or abs(sum(found.values()) - 1) > 1e-6:
        raise ConfigError(
            f"[task.split] {dict(shares)}: give shares of train, validation and test that add up to 1, such as {{train: 0.8, "
            "validation: 0.1, test: 0.1}."
        )
    return {split: found[split] for split in SPLITS}


def split_one(
    data: Dataset, folds: int | None, fold: int, short_lists: ShortLists, shares: Mapping[str, float] | None
) -> Mapping[str, tuple[QuerySubset, ...]]:
    """The queries of every split of one dataset; the arguments are those of `open_splits`.

    Raises:
        ConfigError: there are both folds and shares, or the shares are wrong.
        DataError: nothing says how to split, a split has no query, or a query has one document.
    """
    queries = rankable_queries(data, short_lists)
    if folds is not None:
        if shares:
            raise ConfigError("[task.split] and task.folds both make splits; set one of them to null.")
        return _deal_folds({"train": data}, {"train": queries}, folds, fold)
    if shares:
        ends = np.cumsum([*check_shares(shares).values()])[:-1]
        number = np.searchsorted(ends, [hash_share(qid) for qid in data.qids[queries].tolist()], side="right")
        where = "the shares of task.split put"
    elif data.facts.splits is not None:
        number, where = data.facts.splits[queries].astype(np.int64), f"column {data.facts.split_column!r} puts"
    else:
        raise DataError(
            f"{data.source}: is not a folder with a file for each split. Set task.split to a column of splits or to shares, such "
            "as {train: 0.8, validation: 0.1, test: 0.1}, or set task.folds."
        )
    for place, split in enumerate(SPLITS):
        if not (number == place).any():
            raise DataError(f"{data.source}: {where} none of its {len(queries)} queries into the {split} split.")
    return {split: (QuerySubset(data, queries[number == place]),) for place, split in enumerate(SPLITS)}


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
            f"{data.place(short[0])}: query {data.query_name(short[0])} has one document (queries of one document: "
            f"{len(short)}); ranking needs at least two. Set task.short_lists: drop to leave such queries out."
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
    if len({data.qids.dtype for data in order}) > 1:
        raise DataError("[task.folds] some files have integers as ids of queries and others texts; write all alike.")
    qids = np.concatenate([data.qids[queries[split]] for split, data in files.items()])
    if len(np.unique(qids)) < len(qids):
        values, counts = np.unique(qids, return_counts=True)
        name = repr(values[counts > 1][0]) if order[0].facts.is_table else f"qid:{values[counts > 1][0]}"
        raise DataError(f"{name} is in more than one file; with folds, each qid must be unique.")
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
