"""Queries and scores as Arrow streams: a row for each document, with a column of the query that it belongs to."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from moft_serve.errors import ApiError
from moft_serve.ranking.bodies import ScoreAnswer

MEDIA = "application/vnd.apache.arrow.stream"
QUERY = ("query", "query_id", "qid")
"""Names of the column of queries."""
ITEM = ("item", "item_id", "doc_id", "document_id")
"""Names of the column of the documents' ids."""


def body_of(content: bytes) -> dict[str, Any]:
    """The same as the JSON body of the queries in an Arrow stream.

    Args:
        content: a table whose rows of a query stand together.

    Raises:
        ApiError: it is none, or has no column of queries.
    """
    import pyarrow

    try:
        table = pyarrow.ipc.open_stream(content).read_all()
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise _refused(f"is no Arrow stream that can be read ({' '.join(str(error).split())[:200]})") from error
    names = table.schema.names
    if len(set(names)) < len(names):
        raise _refused("has two columns of one name")
    query = next((name for name in QUERY if name in names), None)
    if query is None:
        raise _refused(f"has no column of queries, {', '.join(QUERY[:-1])} or {QUERY[-1]}")
    if not table.num_rows:
        raise _refused("has no rows")
    ids = table.column(query).to_pylist()
    if None in ids or not all(isinstance(each, str | int) for each in ids):
        raise _refused(f"has something else than a text or an integer in column {query!r}")
    starts = [row for row in range(len(ids)) if row == 0 or ids[row] != ids[row - 1]]
    if len({ids[row] for row in starts}) < len(starts):
        raise _refused(f"has the rows of a query apart in column {query!r}; put them together")
    item = next((name for name in ITEM if name in names), None)
    columns = {name: _values(table.column(name), name) for name in names if name not in (query, item)}
    items = None if item is None else table.column(item).to_pylist()
    queries = []
    for begin, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        own: dict[str, Any] = {"id": ids[begin], "features": {name: values[begin:end] for name, values in columns.items()}}
        queries.append(own if items is None else own | {"items": items[begin:end]})
    return {"queries": queries}


def stream_of(answer: ScoreAnswer, items: list[list[str | int] | None]) -> bytes:
    """An answer as an Arrow stream: `query`, `item` where there are ids, `score` and `rank` from 1, in the order of the request.

    Args:
        answer: to write; all but the scores stands in the metadata of the schema, as JSON under `moft`.
        items: the documents' ids of each query, in the order of the request.
    """
    import pyarrow

    scores = [score for result in answer.results for score in result.scores]
    names = [str(place if result.id is None else result.id) for place, result in enumerate(answer.results)]
    ranks = [np.argsort(result.ranking) + 1 for result in answer.results]
    columns = {
        "query": pyarrow.array([name for name, result in zip(names, answer.results, strict=True) for _ in result.scores]),
        "score": pyarrow.array(scores, pyarrow.float32()),
        "rank": pyarrow.array(np.concatenate(ranks), pyarrow.int32()),
    }
    if all(each is not None for each in items):
        columns["item"] = pyarrow.array([str(item) for own in items for item in own or ()])
    rest = answer.model_dump(mode="json", exclude={"results"}, exclude_none=True)
    table = pyarrow.table(columns).replace_schema_metadata({"moft": json.dumps(rest)})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _values(column: Any, name: str) -> Any:
    """The values of a column: numbers as an array with NaN where one is missing, and texts as a list with None."""
    import pyarrow

    kinds = pyarrow.types
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind) or kinds.is_null(kind):
        return column.cast(pyarrow.float64(), safe=False).to_numpy()
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return column.to_pylist()
    raise _refused(f"has a column {name!r} of {column.type}; features are numbers, booleans or texts")


def _refused(what: str) -> ApiError:
    return ApiError(400, f"the body {what}.", code="invalid_arrow")
