"""Turns the columns of a table into rows of 32-bit features: numbers, codes of categories, and NaN for missing values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft import DataError
from moft.api import printable
from moft_ltr.data.converted.dataset_folder import Category, Floats
from moft_ltr.data.readers.query_rows import QueryRows, is_integer
from moft_ltr.data.readers.read_ahead import read_ahead
from moft_ltr.data.readers.table_columns import (
    EXCLUDED,
    ITEM,
    QUERY,
    Layout,
    TableColumns,
    check_named,
    columns_text,
    role_of,
    row_place,
)
from moft_ltr.data.readers.table_source import Table, import_pyarrow

TILE = 4096
"""Rows that are put into a block at once, so that they stay in the cache of the processor."""


class TableRows:
    """The rows of a table as features, and what is beside them; `blocks` reads them once.

    Args:
        table: the open table.
        columns: what its columns are.
        layout: the columns to give, in this order; None for those of the table, in its own.

    Raises:
        DataError: columns are missing or there twice, or the table has no queries.
    """

    def __init__(self, table: Table, columns: TableColumns, layout: Layout | None) -> None:
        self._table, self._source = table, table.source
        found = [name for name in table.schema.names if name not in columns.exclude]
        for place, name in enumerate(found):
            if name in found[:place]:
                raise DataError(f"{self._source}: column {name!r} is there twice; give each column its own name.")
        if layout is None:
            check_named(self._source, "exclude", columns.exclude, table.every_name)
        query = role_of(columns.query, QUERY, found, columns.exclude)
        item = role_of(columns.item, ITEM, found, columns.exclude)
        if layout is not None and columns.item not in found:
            item = role_of(None, ITEM, found, columns.exclude)  # what is only scored need not have ids
        for setting, named in (("query", columns.query), ("item", item), ("split", columns.split)):
            check_named(self._source, setting, [named] if named else [], found)
        if query is None and table.sizes is None:
            raise DataError(
                f"{self._source}: has no column of query ids: none is called {', '.join(QUERY)}. Name it as query; "
                f"{columns_text('query', found)}."
            )
        if table.sizes is not None and query is not None:
            raise DataError(
                f"{self._source}: column {query!r} has query ids, and a file beside has sizes of queries; remove one of them."
            )
        self.queries = QueryRows(query, item, columns.split, table.sizes, self._place)
        self._names = [name for name in found if name not in (query, item, columns.split)]
        if table.is_relevance_first and not table.has_names:
            self._names = self._names[1:]
        self._relevance = found[0] if table.is_relevance_first else None
        check_named(self._source, "categorical", columns.categorical if layout is None else (), self._names)
        known = {} if layout is None else layout.categories
        categorical = {*columns.categorical, *known}
        kinds = {name: _kind(table.schema.field(name).type, is_named=name in categorical) for name in self._names}
        self.text = {name: str(table.schema.field(name).type) for name, kind in kinds.items() if kind == "other"}
        left_out = dict.fromkeys((name for name in table.every_name if name in columns.exclude), EXCLUDED)
        self.names = [name for name in self._names if name not in self.text] if layout is None else list(layout.names)
        self.categories: dict[str, list[Category]] = {
            name: list(known.get(name, ())) for name in self.names if kinds.get(name) == "category" or name in known
        }
        self._codes = {  # by text, so that integers of one file and their texts of a CSV file are the same
            name: {str(value): code for code, value in enumerate(values)} for name, values in self.categories.items()
        }
        if layout is not None:
            self._check_layout(layout, kinds, found)
        if not self.names:
            raise DataError(f"{self._source}: has no column of numbers beside those of ids.")
        self.text |= left_out
        self.relevance: list[Floats] = []

    def blocks(self) -> Iterator[Floats]:
        """`[rows, columns]` of consecutive rows, each a new array.

        Raises:
            DataError: a value is infinite, or of another kind than its column; the message has its place.
        """
        for batch in read_ahead(self._table.blocks):
            if not len(batch):
                continue
            out = np.empty((len(batch), len(self.names)), dtype=np.float32)
            columns = [self._column(batch, name) for name in self.names]
            with np.errstate(over="ignore"):
                for start in range(0, len(batch), TILE):
                    for index, column in enumerate(columns):
                        out[start : start + TILE, index] = column[start : start + TILE]
            if np.isinf(out).any():
                row, index = (int(place[0]) for place in np.nonzero(np.isinf(out)))
                raise DataError(
                    f"{self._place(self.queries.rows + row)}: column {self.names[index]!r} holds {columns[index][row]:g}, which "
                    "is no finite 32-bit number; write a finite one, or nothing where the value is missing."
                )
            for name, kind in self.text.items():
                if kind in ("string", "large_string", "string_view"):
                    self.text[name] = self._text_in(batch, name)
            if self._relevance is not None:
                self.relevance.append(self._column(batch, self._relevance).astype(np.float32))
            self.queries.add(batch)
            yield out
        if not self.queries.rows:
            raise DataError(f"{self._source}: has no rows.")

    def _text_in(self, batch: Any, name: str) -> str:
        """The first text of a column in the first rows of a block that is no number, with its row, for messages."""
        for row, value in enumerate(batch.column(name).slice(0, TILE).to_pylist()):
            try:
                float(value or 0)
            except ValueError:
                text = value if len(value) <= 20 else value[:20] + "..."
                return f"text, such as {printable(text)!r} in row {self.queries.rows + row + 1}"
        return "text"

    def _place(self, row: int) -> str:
        return row_place(self._source, self._table.files, row)

    def _check_layout(self, layout: Layout, kinds: dict[str, str], found: Sequence[str]) -> None:
        """Checks that the table has the columns that it must have, of the kinds that they had."""
        for name in layout.names:
            if name not in kinds and name in layout.needed:
                raise DataError(
                    f"{self._source}: has no column {name!r}, which the ranker or its base model reads; "
                    f"{columns_text(name, found)}."
                )
            if name in self.text:
                raise DataError(
                    f"{self._source}: column {name!r} holds {self.text[name]}, but numbers where the ranker was trained."
                )

    def _column(self, batch: Any, name: str) -> NDArray[Any]:
        """`[rows]`, numbers or codes of a column; NaN where there is none."""
        if name not in self._names and name != self._relevance:
            return np.full(len(batch), np.nan, dtype=np.float32)
        column = batch.column(name)
        if name in self.categories:
            return self._encode(column, name)
        pyarrow = import_pyarrow()
        if pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if not (is_integer(column.type) or pyarrow.types.is_floating(column.type)):
            try:
                column = column.cast(pyarrow.float64())
            except pyarrow.ArrowInvalid as error:
                raise DataError(
                    f"{self._source}: column {name!r} is the relevance, the first one beside a file of query sizes, and holds "
                    f"{column.type}; it has to hold numbers ({error})."
                ) from error
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values

    def _encode(self, column: Any, name: str) -> NDArray[np.float32]:
        """`[rows]`, the codes of categories; new ones get the next codes."""
        pyarrow, known, by_text = import_pyarrow(), self.categories[name], self._codes[name]
        encoded = column if pyarrow.types.is_dictionary(column.type) else column.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        indices = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
        codes = np.full(len(values) + 1, np.nan, dtype=np.float32)
        for place, value in enumerate(values):
            if value is None or value == "" or value != value:
                continue
            category = int(value) if isinstance(value, float) and value.is_integer() else value
            if not isinstance(category, str | int):
                row = int((indices == place).argmax())
                raise DataError(
                    f"{self._place(self.queries.rows + row)}: column {name!r} is categorical, but holds {value!r}; categories "
                    "are integers or texts. Take it out of categorical, or round it."
                )
            if str(category) not in by_text:
                by_text[str(category)] = len(known)
                known.append(category)
            codes[place] = by_text[str(category)]
        found: NDArray[np.float32] = codes[indices]
        return found


def _kind(kind: Any, *, is_named: bool) -> str:
    """What a column of a type is: `number`, `category`, or `other`; pandas and polars mark categories by the type."""
    types = import_pyarrow().types
    if types.is_dictionary(kind):
        return "category"
    is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if is_named:
        return "category"
    return "number" if is_number or types.is_decimal(kind) or types.is_null(kind) else "other"
