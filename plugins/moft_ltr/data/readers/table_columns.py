"""What a user says of the columns of a table, and the layout that further tables are read in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from moft import DataError
from moft_ltr.data.converted.dataset_folder import Category

QUERY = ("query", "query_id", "qid")
"""Names of the column of query ids, if none is given."""

ITEM = ("item", "item_id", "doc_id", "document_id")
"""Names of the column of document ids, if none is given."""

EXCLUDED = "nothing that was read"
"""What the facts of a table say that a column holds which is excluded."""

SPLIT_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("vali", "valid", "validation", "val", "dev"),
    "test": ("test",),
}
"""Accepted names of each split: of files and folders, and of the values of a column."""


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that are no plain numbers.

    Args:
        query: column of query ids; None takes the one of `QUERY` that is there.
        item: column of document ids; None takes the one of `ITEM` that is there, if any.
        split: column of the split of each query; None if there is none.
        categorical: columns of categories, integers or texts.
        exclude: columns that are not read at all.
    """

    query: str | None = None
    item: str | None = None
    split: str | None = None
    categorical: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


PLAIN = TableColumns()


@dataclass(frozen=True)
class Layout:
    """The columns that further tables are read in, whatever their own order.

    Args:
        names: of the columns, in order.
        categories: of each column of categories, by name; those of a further table are added behind them.
        needed: names of the columns that a table must have; others are missing values where they are absent.
    """

    names: tuple[str, ...]
    categories: Mapping[str, tuple[Category, ...]] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()


def reading_key(columns: TableColumns, layout: Layout | None) -> str:
    """A text that is the same for the same way of reading a table; empty for the plainest one."""
    if columns == PLAIN and layout is None:
        return ""
    order = None if layout is None else [layout.names, sorted(layout.categories.items()), sorted(layout.needed)]
    return hashlib.sha256(json.dumps([asdict(columns), order]).encode()).hexdigest()


def layout_text(layout: Layout) -> str:
    """The names and categories of a layout as JSON."""
    return json.dumps({"names": layout.names, "categories": layout.categories})


def layout_of_text(text: str) -> Layout:
    """The layout of a text from `layout_text`.

    Raises:
        DataError: the text is damaged.
    """
    try:
        found = json.loads(text)
        return Layout(tuple(found["names"]), {name: tuple(values) for name, values in found["categories"].items()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"the saved state of the ranking task is damaged: the names of its columns are no JSON ({error})."
        ) from error


def role_of(name: str | None, usual: Sequence[str], found: Sequence[str], exclude: Sequence[str]) -> str | None:
    """The column of a role: the one that was named, else the first usual one that the table has; None if there is none."""
    return name or next((one for one in usual if one in found and one not in exclude), None)


def check_named(source: str, what: str, names: Sequence[str], found: Sequence[str]) -> None:
    """Checks that the table has the columns that a setting names; `what` is the setting.

    Raises:
        DataError: it has not; the message names one that is like it.
    """
    for name in names:
        if name not in found:
            raise DataError(f"{source}: {what}: there is no column {name!r}; {columns_text(name, found)}.")


def columns_text(name: str, found: Sequence[str]) -> str:
    """The columns that a message names instead of `name`: those most like it, else the first ones."""
    import difflib

    near = difflib.get_close_matches(name, found, n=3, cutoff=0.6)
    if near:
        return f"the nearest are {', '.join(map(repr, near))}"
    return f"the columns are {', '.join(map(repr, found[:10]))}{f' and {len(found) - 10} more' if len(found) > 10 else ''}"


def row_place(source: str, files: Sequence[tuple[str, int]], item: int) -> str:
    """The file and the row, from 1, of document `item`, from 0, for messages."""
    for name, rows in files:
        if item < rows:
            return f"{source}/{name}, row {item + 1}"
        item -= rows
    return f"{source}, row {item + 1}"
