"""The public functions that turn frames, files and arrays into data that `task.data` accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from moft import DataError
from moft_ltr.data.dataset import data_layout, read_dataset
from moft_ltr.data.readers.table_columns import TableColumns
from moft_ltr.data.readers.table_conversion import convert_table
from moft_ltr.data.readers.table_source import SUFFIXES, import_pyarrow, is_table, open_frame, open_table


def write_data(
    out: Path | str,
    data: object,
    *,
    query: str | None = None,
    item: str | None = None,
    labels: Sequence[str] | Mapping[str, str] = (),
    features: Sequence[str] | None = None,
    categorical: Sequence[str] = (),
    exclude: Sequence[str] = (),
    split: str | None = None,
    like: Path | str | None = None,
) -> Path:
    """Writes a table as a converted folder, which `task.data` and the files of its splits can be.

    Args:
        out: the folder to create.
        data: a frame of pandas, polars or pyarrow, a mapping of arrays by name, an iterable of such frames, of which one at a
            time is in memory, or the path of a table. All rows of a query stand together; an index does not matter.
        query: column of query ids, integers or texts; None takes `query`, `query_id` or `qid`.
        item: column of document ids; None takes `item`, `item_id`, `doc_id` or `document_id`, if one is there.
        labels: columns that are labels, and never features; a mapping gives them other names.
        features: columns that are features; None for all that are no labels.
        categorical: columns of categories, integers or texts, beside those whose type says it.
        exclude: columns that are not read.
        split: column of the split of each query: train, validation or test.
        like: a converted folder whose columns and codes of categories to take, so that both are splits of one dataset.

    Returns: `out`.

    Raises:
        DataError: `out` exists or cannot be written, or the table has an error; the message has the row and the column.
        ConfigError: pyarrow is not installed.
    """
    target = Path(out)
    if target.exists():
        raise DataError(f"{target}: already exists; choose another folder or remove it.")
    columns = TableColumns(query, item, split, tuple(categorical), tuple(exclude))
    layout, known = None, dict[str, str]()
    if like is not None:
        other = read_dataset(Path(like))
        needed = [name for column, name in enumerate(other.facts.names, start=1) if column not in other.labels.values()]
        layout = data_layout(other, needed)
        if layout is None:
            raise DataError(f"{like}: its columns have no names, so that others cannot be written like it.")
        known = {name: other.facts.names[column - 1] for name, column in other.labels.items()}
    if isinstance(data, str | Path):
        if Path(data).exists() and not is_table(Path(data)):
            raise DataError(f"{data}: is no table; give a file that ends in {', '.join(SUFFIXES)}, or a folder of such files.")
        table = open_table(Path(data), columns)
    else:
        table = open_frame(data)
    chosen = dict(labels) if isinstance(labels, Mapping) else {name: name for name in labels}
    convert_table(table, target, columns, layout, labels=chosen or known, features=features)
    return target


def table(
    features: ArrayLike,
    group: ArrayLike,
    *,
    labels: Mapping[str, ArrayLike] | None = None,
    names: Sequence[str] | None = None,
    queries: Sequence[str] | Sequence[int] | None = None,
    items: ArrayLike | None = None,
) -> Any:
    """Arrays as a table of pyarrow, as `write_data` and `scores` of a run accept it.

    Args:
        features: `[items, f]`, NaN where a value is missing.
        group: `[lists]`, documents of each query, in the order of the rows, as LightGBM has it.
        labels: `[items]` by name; NaN where a document is not judged.
        names: of the features; None for `1`, `2`, ...
        queries: `[lists]`, ids of the queries; None for 1, 2, ...
        items: `[items]`, ids of the documents.

    Raises:
        DataError: lengths do not fit, a name is there twice, or a group is not above 0.
    """
    pyarrow = import_pyarrow()
    rows, sizes = np.asarray(features), np.asarray(group)
    if rows.ndim != 2:
        raise DataError(f"features must be [items, f], got {list(rows.shape)}.")
    if sizes.ndim != 1 or not np.issubdtype(sizes.dtype, np.integer) or (sizes < 1).any() or sizes.sum() != len(rows):
        raise DataError(
            f"group must have the number of documents of each query, whole numbers above 0 that add up to {len(rows)}, the rows "
            f"of features; got {sizes.size} that add up to {sizes.sum():g}."
        )
    ids = np.arange(1, len(sizes) + 1) if queries is None else np.asarray(queries)
    if len(ids) != len(sizes):
        raise DataError(f"queries has {len(ids)} ids for the {len(sizes)} queries of group.")
    called = [str(number) for number in range(1, rows.shape[1] + 1)] if names is None else list(names)
    if len(called) != rows.shape[1]:
        raise DataError(f"names has {len(called)} names for the {rows.shape[1]} columns of features.")
    columns = {
        "query": np.repeat(ids, sizes),
        **({} if items is None else {"item": np.asarray(items)}),
        **dict(zip(called, rows.T, strict=True)),
    }
    for name, values in (labels or {}).items():
        if name in columns:
            raise DataError(f"the name {name!r} is there twice, as a label and as another column; give each its own.")
        columns[name] = np.asarray(values)
    if len(columns) < rows.shape[1] + len(labels or {}) + 1:
        raise DataError("a name is there twice among names, query and item; give each column its own name.")
    for name, values in columns.items():
        if values.shape != (len(rows),):
            raise DataError(f"{name!r} must be [{len(rows)}], a value for each row of features; got {list(values.shape)}.")
    return pyarrow.table(columns)
