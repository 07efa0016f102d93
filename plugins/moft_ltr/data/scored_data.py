"""Data that is only scored: how a table is read so that it fits a trained run, and what its lists and items are called."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from moft import DataError
from moft_ltr.data.converted.dataset_folder import TableFacts
from moft_ltr.data.converted.ids import ids_at
from moft_ltr.data.dataset import Dataset
from moft_ltr.data.readers.table_columns import Layout
from moft_ltr.data.splits import QuerySubset


def scored_layout(layout: Layout | None, columns: int, read: Iterable[int]) -> Layout:
    """The layout that tables are read in.

    Args:
        layout: of the data that the run was trained on; None if its columns have numbers, as they have in a table of arrays
            without names.
        columns: of that data; 0 if unknown.
        read: columns, from 0, that the ranker or its base model reads.
    """
    numbers = {*read}
    if layout is None:
        layout = Layout(tuple(map(str, range(1, max(columns, *(number + 1 for number in numbers)) + 1))))
    return replace(layout, needed=frozenset(layout.names[number] for number in numbers))


def check_scored(data: Dataset, layout: Layout | None, columns: int) -> Dataset:
    """The data as the run was trained on such: without names, if that had none; the arguments are those of `scored_layout`.

    Raises:
        DataError: the columns have no names, or there are more than in training.
    """
    if layout is None:
        data = replace(data, facts=replace(data.facts, names=()))
    elif not data.facts.names:
        raise DataError(f"{data.source}: its columns have no names, but the run was trained on named ones; name them.")
    if columns and data.columns > columns:
        raise DataError(
            f"{data.source}: has {data.columns} columns, but the run was trained on data with {columns}. Write the same columns "
            "as in training; labels at the end may be left out."
        )
    return data


def no_queries(layout: Layout | None, columns: int) -> QuerySubset:
    """No query at all, of data with the columns that the run was trained on; the arguments are those of `scored_layout`."""
    names = () if layout is None else layout.names
    known = {} if layout is None else {names.index(name) + 1: values for name, values in layout.categories.items()}
    none = np.zeros(0, dtype=np.int64)
    data = Dataset(
        features=np.zeros((0, len(names) or columns), dtype=np.float32),
        relevance=np.zeros(0, dtype=np.float32),
        offsets=np.zeros(1, dtype=np.int64),
        qids=none,
        lines=none,
        source="the run",
        sha256="",
        labels={},
        facts=TableFacts(names, known, is_table=True),
    )
    return QuerySubset(data, none)


def scored_names(data: Dataset) -> dict[str, Any]:
    """The ids of the queries and documents, as `names` and `item_names` of `Batches`."""
    qids, items = data.qids.tolist(), data.facts.items
    names = qids if data.facts.is_table else [str(qid) for qid in qids]
    return {"names": names, "item_names": [] if items is None else ids_at(items, np.arange(len(items)))}
