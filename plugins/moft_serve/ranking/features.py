"""From the features of a query in a request, as rows, objects or columns, to the array that a scorer takes."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moft_serve.http.errors import ApiError

if TYPE_CHECKING:
    from moft import BatchScorer

Floats = NDArray[np.float32]
_NUMBERS = {int, float, bool, type(None)}


@dataclass(frozen=True)
class FeatureReader:
    """Reads features as a run was trained on them.

    Args:
        scorer: of the run.
    """

    scorer: BatchScorer
    names: tuple[str, ...] = field(init=False)
    codes: Mapping[str, Mapping[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        outside = self.scorer.base_scores
        object.__setattr__(self, "names", tuple(name for name in self.scorer.features if name != outside))
        codes = {name: {str(value): code for code, value in enumerate(values)} for name, values in self.scorer.categories.items()}
        object.__setattr__(self, "codes", codes)

    def read(self, features: object, base_scores: object, place: str) -> Floats:
        """`[documents, features]`, NaN where a value is missing.

        Args:
            features: JSON: rows in order, objects by name, or columns by name.
            base_scores: JSON: a number for each document, or None.
            place: of the query in the request, such as `queries[2]`.

        Raises:
            ApiError: they are none of it; the message has the place.
        """
        where, outside = f"{place}.features", self.scorer.base_scores
        if isinstance(features, dict):
            columns = {name: _list(values, f"{where}.{name}") for name, values in features.items()}
        elif not isinstance(features, list):
            raise _refused(where, f"must be rows, objects or columns, not {_shown(features)}")
        elif not features:
            raise _refused(where, "is empty; a query has at least one document")
        elif all(isinstance(row, dict) for row in features):
            columns = self._of_objects(features, where)
        else:
            rows = self._rows(features, where)
            if not self.codes and (table := _table(rows, where)) is not None:
                return self._finite(self._with_base(table, base_scores, place), where)
            columns = {name: list(values) for name, values in zip(self.names, zip(*rows, strict=True), strict=True)}
        if outside is not None and outside in columns:
            if base_scores is not None:
                raise _refused(f"{place}.base_scores", f"is given twice, also as the feature {outside!r}")
            given = columns.pop(outside)
            base_scores = given.tolist() if isinstance(given, np.ndarray) else given
        self._check_names(columns, where)
        lengths = set(map(len, columns.values()))
        if len(lengths) > 1:
            raise _refused(where, f"has columns of different lengths, {min(lengths)} to {max(lengths)}")
        if 0 in lengths:
            raise _refused(where, "is empty; a query has at least one document")
        table = np.stack([self._column(name, columns[name], where) for name in self.names], axis=1)
        return self._finite(self._with_base(table, base_scores, place), where)

    def _rows(self, rows: Sequence[Any], where: str) -> list[list[Any]]:
        for number, row in enumerate(rows):
            if not isinstance(row, list):
                raise _refused(f"{where}[{number}]", f"must be a list of {len(self.names)} values, not {_shown(row)}")
            if len(row) != len(self.names):
                raise _refused(f"{where}[{number}]", f"has {len(row)} values, and the run has {len(self.names)} features")
        return list(rows)

    def _of_objects(self, rows: Sequence[Mapping[str, Any]], where: str) -> dict[str, list[Any]]:
        """The columns of objects, which all have the same names."""
        names = list(rows[0])
        for number, row in enumerate(rows):
            if row.keys() != rows[0].keys():
                name = min(row.keys() ^ rows[0].keys())
                text = f"and [0] differ in the feature {name!r}; name every feature, and give null where a value is missing"
                raise _refused(f"{where}[{number}]", text)
        return {name: [row[name] for row in rows] for name in names}

    def _check_names(self, columns: Mapping[str, object], where: str) -> None:
        """Refuses names that the run does not have, and lacks of those that it has."""
        known = set(self.names)
        for name in columns:
            if name not in known:
                near = get_close_matches(name, self.names, n=1)
                hint = (
                    f"; did you mean {near[0]!r}?" if near else f"; remove it. GET /v1/models lists the {len(known)} that it has"
                )
                raise _refused(where, f"the run has no feature {name[:100]!r}{hint}")
        for name in self.names:
            if name not in columns:
                raise _refused(where, f"the feature {name!r} is left out; give null where a value is missing")

    def _column(self, name: str, values: Sequence[Any] | NDArray[Any], where: str) -> Floats:
        """`[documents]`, numbers, or codes of categories."""
        codes = self.codes.get(name)
        if isinstance(values, np.ndarray):  # of an Arrow table
            if codes is None:
                return _floats(values, where)
            values = [None if value != value else int(value) if value.is_integer() else value for value in values.tolist()]
        kinds = set(map(type, values))
        if codes is None:
            if not kinds <= _NUMBERS:
                row, found = next((row, value) for row, value in enumerate(values) if type(value) not in _NUMBERS)
                raise _refused(where, f"document {row}, feature {name!r}: {_shown(found)} is not a number")
            return _floats(values, where)
        for row, value in enumerate(values if not kinds <= {str, int, type(None)} else ()):
            if not isinstance(value, str | int | None) or isinstance(value, bool):
                raise _refused(
                    where, f"document {row}, feature {name!r}: {_shown(value)} is no category, which is text or an integer"
                )
        new = len(codes)
        return np.array([np.nan if value in (None, "") else codes.get(str(value), new) for value in values], dtype=np.float32)

    def _with_base(self, table: Floats, base_scores: object, place: str) -> Floats:
        """The columns of the scorer, with that of the base scores where these are outside."""
        outside, where = self.scorer.base_scores, f"{place}.base_scores"
        if outside is None:
            if base_scores is not None:
                raise _refused(where, "are not taken; the base model is inside of this run")
            return table
        if not isinstance(base_scores, list) or not set(map(type, base_scores)) <= {int, float} or len(base_scores) != len(table):
            raise _refused(where, f"must be {len(table)} numbers, one for each document: the base model is outside of this run")
        column = _floats(base_scores, where)
        if not np.isfinite(column).all():
            raise _refused(where, f"[{int(np.flatnonzero(~np.isfinite(column))[0])}] is not a finite number")
        return np.insert(table, self.scorer.features.index(outside), column, axis=1)

    def _finite(self, table: Floats, where: str) -> Floats:
        """The same, if no number is infinite."""
        if np.isinf(table).any():
            row, column = (int(places[0]) for places in np.nonzero(np.isinf(table)))
            name = self.scorer.features[column]
            raise _refused(where, f"document {row}, feature {name!r}: is not a finite number of 32 bits")
        return table


def example_query(scorer: BatchScorer) -> dict[str, Any]:
    """A query of ten documents that are made up, as in a request; always the same."""
    draws, count = np.random.default_rng(0), 10
    columns: dict[str, list[Any]] = {}
    for name in scorer.features:
        known = scorer.categories.get(name)
        numbers = np.round(10 ** draws.uniform(-2, 3, count), 3).tolist()
        columns[name] = numbers if known is None else [known[place % len(known)] for place in range(count)]
    outside = scorer.base_scores
    base = {} if outside is None else {"base_scores": columns.pop(outside)}
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return {"id": "example", "features": rows, **base, "items": [f"document-{place + 1}" for place in range(count)]}


def _table(rows: Sequence[Sequence[Any]], where: str) -> Floats | None:
    """Rows of one length as an array; None where one of their values is neither a number nor None."""
    try:
        numbers = struct.pack(f"{len(rows) * len(rows[0])}d", *chain.from_iterable(rows))  # a third of the time of numpy's
    except (struct.error, OverflowError):
        return _floats(rows, where) if set(map(type, chain.from_iterable(rows))) <= _NUMBERS else None
    with np.errstate(over="ignore"):
        return np.frombuffer(numbers).reshape(len(rows), -1).astype(np.float32)


def _floats(values: Sequence[Any] | NDArray[Any], where: str) -> Floats:
    """Numbers, and NaN for None."""
    try:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=np.float32)
    except (OverflowError, ValueError, TypeError) as error:
        raise _refused(where, "has a number that is too large for 32 bits") from error


def _list(values: object, where: str) -> Any:
    if not isinstance(values, list | np.ndarray):
        raise _refused(where, f"must be a list, a value for each document, not {_shown(values)}")
    return values


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _refused(param: str, what: str) -> ApiError:
    return ApiError(400, f"{param}: {what}.", param=param, code="invalid_features")
