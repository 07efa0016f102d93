"""Queries and scores as Arrow streams: a row for each document, with a column of the query that it belongs to."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from moft_serve.http.errors import ApiError
from moft_serve.ranking.bodies import ScoreAnswer

MEDIA = "application/vnd.apache.arrow.stream"
QUERY = ("query", "query_id", "qid")
"""Names of the column of queries."""
ITEM = ("item", "item_id", "doc_id", "document_id")
"""Names of the column of the documents' ids."""


def body_of(content: bytes, most: int) -> dict[str, Any]:
    """The same as the JSON body of the queries in an Arrow stream.

    What is made of it is not much larger than the stream: compressed buffers are refused, and so are too many rows.

    Args:
        content: a table whose rows of a query stand together.
        most: rows.

    Raises:
        ApiError: it is none, or has no column of queries.
    """
    table = _table(content)
    names = table.schema.names
    if len(set(names)) < len(names):
        raise _refused("has two columns of one name")
    query = next((name for name in QUERY if name in names), None)
    if query is None:
        raise _refused(f"has no column of queries, {', '.join(QUERY[:-1])} or {QUERY[-1]}")
    if not table.num_rows:
        raise _refused("has no rows")
    if table.num_rows > most:
        raise _refused(f"has {table.num_rows:,} rows, and a request may have {most:,} documents")
    ids = _ids(table.column(query), query)
    starts = [row for row in range(len(ids)) if row == 0 or ids[row] != ids[row - 1]]
    if len({ids[row] for row in starts}) < len(starts):
        raise _refused(f"has the rows of a query apart in column {query!r}; put them together")
    item = next((name for name in ITEM if name in names), None)
    columns = {name: _values(table.column(name), name) for name in names if name not in (query, item)}
    items = None if item is None else _ids(table.column(item), item)
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


def _table(content: bytes) -> Any:
    """The table of a stream whose buffers are as they are in memory."""
    import pyarrow

    try:
        if any(_is_compressed(message) for message in pyarrow.ipc.MessageReader.open_stream(content)):
            raise _refused("is a compressed stream; write it without compression")
        table = pyarrow.ipc.open_stream(content).read_all()
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, ValueError, struct.error) as error:
        raise _refused(f"is no Arrow stream that can be read ({' '.join(str(error).split())[:200]})") from error
    return table


def _is_compressed(message: Any) -> bool:
    """Whether the buffers of a message are compressed.

    Source: the flatbuffers `Message`, `RecordBatch` and `DictionaryBatch` of the Arrow columnar format, version 1.
    """
    content = message.metadata.to_pybytes()

    def field(table: int, number: int) -> int:
        """Where a field of a table is; 0 where it is absent."""
        fields: int = table - struct.unpack_from("<i", content, table)[0]
        size: int = struct.unpack_from("<H", content, fields)[0]
        place: int = struct.unpack_from("<H", content, fields + 4 + 2 * number)[0] if 4 + 2 * number < size else 0
        return table + place if place else 0

    def inner(table: int, number: int) -> int:
        """Where the table is that a field of a table leads to."""
        place = field(table, number)
        return place + int(struct.unpack_from("<I", content, place)[0])

    if message.type not in ("record batch", "dictionary"):
        return False
    header = inner(struct.unpack_from("<I", content)[0], 2)
    return bool(field(inner(header, 1) if message.type == "dictionary" else header, 3))


def _ids(column: Any, name: str) -> list[str | int]:
    """The values of a column of ids, which has one in every row."""
    import pyarrow

    kinds = pyarrow.types
    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if column.null_count or not (kinds.is_integer(kind) or kinds.is_string(kind) or kinds.is_large_string(kind)):
        raise _refused(f"has something else than a text or an integer in column {name!r}")
    return _plain(column)


def _plain(column: Any) -> list[Any]:
    """The values of a column; one that stands in a dictionary is made once."""
    found: list[Any] = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):
            known = chunk.dictionary.to_pylist()
            found += [None if place is None else known[place] for place in chunk.indices.to_pylist()]
        else:
            found += chunk.to_pylist()
    return found


def _values(column: Any, name: str) -> Any:
    """The values of a column: numbers as an array with NaN where one is missing, and texts as a list with None."""
    import pyarrow

    kinds = pyarrow.types
    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if kinds.is_string(kind) or kinds.is_large_string(kind):
        return _plain(column)
    if kinds.is_null(kind):  # takes no byte of the stream, so many columns of it would fill the memory
        return np.broadcast_to(np.float64("nan"), len(column))
    if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind):
        return column.cast(pyarrow.float64(), safe=False).to_numpy()
    raise _refused(f"has a column {name!r} of {column.type}; features are numbers, booleans or texts")


def _refused(what: str) -> ApiError:
    return ApiError(400, f"the body {what}.", code="invalid_arrow")
