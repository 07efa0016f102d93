"""Converts a table into a folder of arrays, in a stream, or into arrays in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft_ltr.data.converted.dataset_folder import TableFacts, finish_dataset, new_folder, write_header
from moft_ltr.data.converted.ids import id_arrays
from moft_ltr.data.readers.group_file import check_sizes
from moft_ltr.data.readers.read_ahead import read_ahead
from moft_ltr.data.readers.table_columns import PLAIN, Layout, TableColumns, check_named
from moft_ltr.data.readers.table_rows import TableRows
from moft_ltr.data.readers.table_source import Table


def convert_table(
    table: Table,
    target: Path,
    columns: TableColumns = PLAIN,
    layout: Layout | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    features: Sequence[str] | None = None,
) -> None:
    """Writes a table as a converted folder; memory does not grow with the rows, but for ids.

    Args:
        table: an open table.
        target: the folder to create; it does not appear if the table has an error.
        columns: what the columns are.
        layout: the columns to write; None for those of the table.
        labels: names of columns of labels, by the names of the labels.
        features: names of the columns that are features; None for all that are no labels.

    Raises:
        DataError: the table has an error, or the folder cannot be written.
    """
    rows = TableRows(table, columns, layout)
    check_named(table.source, "labels", [*(labels or {}).values()], rows.names)
    check_named(table.source, "features", features or (), rows.names)
    with new_folder(target) as folder:
        with (folder / "features.npy").open("wb") as file:
            write_header(file, np.dtype(np.float32), (0, len(rows.names)))
            digest, factors = hashlib.sha256(), _row_factors(len(rows.names))
            for block in read_ahead(rows.blocks()):
                file.write(block.data)
                digest.update(np.einsum("ij,j->i", block.view(np.uint32), factors).data)  # faster than hashing all bytes
            file.seek(0)
            write_header(file, np.dtype(np.float32), (rows.queries.rows, len(rows.names)))
        facts = table_facts(table, rows, columns.split, features)
        named = {name: rows.names.index(column) + 1 for name, column in (labels or {}).items()}
        if table.is_relevance_first and table.has_names and table.schema.names[0] in rows.names:
            named.setdefault(table.schema.names[0], rows.names.index(table.schema.names[0]) + 1)
        index = rows.queries.index
        for array in (index.offsets, *id_arrays("qids", index.qids).values()):
            digest.update(np.ascontiguousarray(array).data)
        digest.update(json.dumps([rows.names, sorted(facts.categories.items())]).encode())
        finish_dataset(
            folder,
            np.concatenate(rows.relevance) if rows.relevance else None,
            index,
            columns=len(rows.names),
            source=Path(table.source).name,
            labels=named,
            sha256=digest.hexdigest(),
            facts=facts,
        )


def table_facts(table: Table, rows: TableRows, split: str | None, features: Sequence[str] | None = None) -> TableFacts:
    """What the table told beside its numbers, once all of its rows were read."""
    if table.sizes is not None:
        check_sizes(table.source, table.sizes, rows.queries.rows)
    return TableFacts(
        names=tuple(rows.names) if table.has_names else (),
        categories={rows.names.index(name) + 1: tuple(codes) for name, codes in rows.categories.items()},
        features=None if features is None else tuple(rows.names.index(name) + 1 for name in features),
        text=rows.text,
        files=tuple(table.files),
        is_table=True,
        has_relevance=bool(rows.relevance),
        query_column=rows.queries.column,
        split_column=split,
        splits=rows.queries.splits,
        items=rows.queries.items,
    )


def facts_layout(names: Sequence[str], categories: Mapping[int, Sequence[Any]], needed: Iterable[str] = ()) -> Layout:
    """The layout of data with these names and categories by column, from 1."""
    return Layout(tuple(names), {names[column - 1]: tuple(values) for column, values in categories.items()}, frozenset(needed))


def _row_factors(columns: int) -> NDArray[np.uint32]:
    """`[columns]`, odd numbers: a row's values times these, summed in 32 bits, change with every single value."""
    return np.arange(1, columns + 1, dtype=np.uint32) * np.uint32(0x9E3779B9) | np.uint32(1)
