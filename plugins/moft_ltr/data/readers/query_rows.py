"""Finds the queries in blocks of rows, and checks that their rows stand together, are in one split, and have no item twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moft import DataError
from moft.api import printable
from moft_ltr.data.converted.dataset_folder import Integers, QueryIndex
from moft_ltr.data.converted.ids import Ids, Texts, join_ids
from moft_ltr.data.readers.table_columns import SPLIT_NAMES
from moft_ltr.data.readers.table_source import import_pyarrow

SPLIT_NUMBERS = {name: number for number, names in enumerate(SPLIT_NAMES.values()) for name in names}


class QueryRows:
    """The queries of a table, block by block.

    Args:
        query: name of the column of query ids; None where `sizes` has the queries.
        item: name of the column of document ids; None if there is none.
        split: name of the column of splits; None if there is none.
        sizes: `[lists]`, rows of each query, where no column has their ids: then these are 1, 2, ...
        place: the place of a row, from 0, for messages.
    """

    def __init__(
        self, query: str | None, item: str | None, split: str | None, sizes: Integers | None, place: Callable[[int], str]
    ) -> None:
        self.column, self._item, self._split, self._place = query, item, split, place
        self._ends = None if sizes is None or query else sizes.cumsum()
        self.rows = 0
        self._kinds: dict[str, Any] = {}
        self._starts: list[Integers] = []
        self._names: list[Any] = []
        self._seen: set[Any] = set()
        self._splits: list[int] = []
        self._items: list[Ids] = []
        self._open_items: Any = None  # ids in the last query so far

    def add(self, batch: Any) -> None:
        """Adds the rows of a record batch.

        Raises:
            DataError: a row breaks a rule; the message has its place.
        """
        codes, names = self._codes(batch)
        starts = np.concatenate([[0], np.flatnonzero(codes[1:] != codes[:-1]) + 1])
        found = names(codes[starts])
        if self._names and found[0] == self._names[-1]:
            starts, found = starts[1:], found[1:]
        for start, name in zip(starts.tolist(), found, strict=True):
            if name in self._seen:
                raise DataError(
                    f"{self._place(self.rows + start)}: query {_shown(name)} appears again, after other queries; all rows of a "
                    f"query must stand together. Sort the rows by {self.column!r}."
                )
            self._seen.add(name)
        if self._split is not None:
            self._add_splits(batch, starts)
        if self._item is not None:
            self._add_items(batch, starts)
        self._starts.append(starts + self.rows)
        self._names += found
        self.rows += len(batch)

    @property
    def index(self) -> QueryIndex:
        """The queries so far."""
        starts = np.concatenate(self._starts) if self._starts else np.zeros(0, dtype=np.int64)
        is_text = bool(self._names) and isinstance(self._names[0], str)
        qids = np.array(self._names, dtype=object if is_text else np.int64)
        return QueryIndex(np.concatenate([starts, [self.rows]]).astype(np.int64), qids, np.zeros(len(starts), dtype=np.int64))

    @property
    def items(self) -> Ids | None:
        """`[items]`, the ids of the documents so far; None if they have none."""
        return join_ids(self._items) if self._items else None

    @property
    def splits(self) -> NDArray[np.int8] | None:
        """`[lists]`, the split of each query so far: 0 train, 1 validation, 2 test; None if no column has it."""
        return None if self._split is None else np.array(self._splits, dtype=np.int8)

    def _codes(self, batch: Any) -> tuple[Integers, Callable[[Integers], list[Any]]]:
        """`[rows]`, a number for each query, and what gives the ids for such numbers."""
        if self._ends is not None:
            rows = np.arange(self.rows, self.rows + len(batch))
            return np.searchsorted(self._ends, rows, side="right") + 1, np.ndarray.tolist
        column = self._ids(batch, self.column or "", "query")
        if is_integer(column.type):
            return column.to_numpy(), np.ndarray.tolist
        encoded = column.dictionary_encode()
        values = encoded.dictionary.to_pylist()
        return encoded.indices.to_numpy().astype(np.int64), lambda codes: [values[code] for code in codes.tolist()]

    def _ids(self, batch: Any, name: str, what: str) -> Any:
        """A column of ids, as 64-bit integers or texts; none is missing."""
        pyarrow, kind = import_pyarrow(), batch.column(name).type
        column = id_column(batch.column(name))
        if column is None:
            advice = "pandas makes floats of integers where one is missing" if pyarrow.types.is_floating(kind) else "convert them"
            raise DataError(
                f"{self._place(self.rows)}: column {name!r} holds {kind}, but ids of a {what} are integers or texts; {advice}."
            )
        before = self._kinds.setdefault(name, column.type)
        if column.type != before:
            raise DataError(
                f"{self._place(self.rows)}: column {name!r} holds {kind}, but {before} before; ids of a {what} are all "
                "integers or all texts."
            )
        missing = (
            column.is_null()
            if is_integer(column.type)
            else pyarrow.compute.or_kleene(column.is_null(), pyarrow.compute.equal(column, ""))
        )
        if (first := missing.index(True).as_py()) >= 0:
            raise DataError(f"{self._place(self.rows + first)}: column {name!r} has no id of the {what}; every row needs one.")
        return column

    def _add_splits(self, batch: Any, starts: Integers) -> None:
        """Adds the split of each query that begins in a batch, and checks that all of its rows are in it."""
        column = id_column(batch.column(self._split))
        encoded = None if column is None else column.cast("large_string").dictionary_encode()
        values = [None] if encoded is None else [*encoded.dictionary.to_pylist(), None]
        known = np.array([SPLIT_NUMBERS.get(str(value).lower(), -1) for value in values])
        indices = np.zeros(1, dtype=np.int64) if encoded is None else encoded.indices.fill_null(len(values) - 1).to_numpy()
        numbers = known[indices]
        if (numbers < 0).any():
            row = int((numbers < 0).argmax())
            allowed = ", ".join(sorted(SPLIT_NUMBERS))
            raise DataError(
                f"{self._place(self.rows + row)}: column {self._split!r} holds {_shown(values[indices[row]])}, which is no "
                f"split; write one of {allowed}."
            )
        first = len(self._splits)
        self._splits += numbers[starts].tolist()
        is_start = np.zeros(len(batch), dtype=np.int64)
        is_start[starts] = 1
        expected = np.array([*self._splits[max(0, first - 1) :]])[is_start.cumsum() - (first == 0)]
        if (numbers != expected).any():
            row, names = int((numbers != expected).argmax()), list(SPLIT_NAMES)
            raise DataError(
                f"{self._place(self.rows + row)}: column {self._split!r} puts this row into {names[numbers[row]]}, but the rows "
                f"of its query before into {names[expected[row]]}; a query must be in one split."
            )

    def _add_items(self, batch: Any, starts: Integers) -> None:
        """Adds the ids of the documents, and checks that none is twice in a query, also where a query goes on."""
        pyarrow = import_pyarrow()
        column = self._ids(batch, self._item or "", "document")
        self._items.append(_kept(column))
        before = self._open_items if self._open_items is not None else column.slice(0, 0)
        carried = len(before) if not len(starts) or starts[0] > 0 else 0
        whole = pyarrow.concat_arrays([before.slice(len(before) - carried), column])
        codes = whole.to_numpy() if is_integer(whole.type) else whole.dictionary_encode().indices.to_numpy()
        query = np.repeat(
            np.arange(len(starts) + 1), np.diff(np.concatenate([[0], starts + carried, [len(whole)]]))
        )  # of each row; number 0 is the query that goes on
        order = np.lexsort((codes, query))
        twice = (codes[order][1:] == codes[order][:-1]) & (query[order][1:] == query[order][:-1])
        if twice.any():
            row = int(order[1:][twice].min()) - carried
            raise DataError(
                f"{self._place(self.rows + row)}: item {_shown(column[row].as_py())} is in its query twice (column "
                f"{self._item!r}); keep one of the rows."
            )
        last = int(starts[-1]) + carried if len(starts) else 0
        self._open_items = whole.slice(last)


def id_column(column: Any) -> Any | None:
    """A column as 64-bit integers or large texts of pyarrow; None where it is neither."""
    pyarrow = import_pyarrow()
    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if types.is_integer(kind):
        try:
            return column.cast(pyarrow.int64())
        except pyarrow.ArrowInvalid:  # above 2^63
            return column.cast(pyarrow.large_string())
    if types.is_string(kind) or types.is_large_string(kind) or kind == getattr(pyarrow, "string_view", lambda: None)():
        return column.cast(pyarrow.large_string())
    return None


def is_integer(kind: Any) -> bool:
    """Whether a type of pyarrow is one of integers."""
    return bool(import_pyarrow().types.is_integer(kind))


def _kept(column: Any) -> Ids:
    """Ids of a block, as they are kept until all are known."""
    if is_integer(column.type):
        integers: NDArray[np.int64] = column.to_numpy()
        return integers.copy()
    _, offsets, content = column.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(content, dtype=np.uint8)[ends[0] : ends[-1]] if content is not None else np.zeros(0, dtype=np.uint8)
    return Texts(text.copy(), ends[1:] - ends[0])


def _shown(value: object) -> str:
    text = printable(repr(value))
    return text if len(text) <= 40 else text[:37] + "..."
