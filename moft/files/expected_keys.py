"""Reads JSON that moft wrote, and checks that it holds the keys and kinds of values that moft writes there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moft.errors import DataError, RunError
from moft.files.json import float_of, json_of, read_json
from moft.files.regular_file import read_regular
from moft.suggestions import one_line, short_text

Expected = Any
"""What is expected of a value.

A type (`float` is any finite number, `int` a whole one, `dict` any object), None, a tuple of alternatives, a list of the one
form of all entries, or an object: a mapping from keys to what is expected there. A key that ends in `?` may be missing; the key
`*` stands for all others.
"""

_WORDS = {str: "text", int: "a whole number", float: "a finite number", bool: "true or false", dict: "an object", list: "a list"}


def read_expected(path: Path, expected: Expected, advice: str) -> Any:
    """The content of a JSON file of a run.

    Args:
        path: the file.
        expected: of its content.
        advice: a sentence, what to do about a file that is missing or damaged.

    Raises:
        RunError: it is missing, cannot be read, is not JSON, or holds something else.
    """
    try:
        content = read_json(path)
    except RunError as error:
        raise RunError(f"{error} {advice}") from error
    except (RecursionError, ValueError) as error:
        raise RunError(f"{path}: is not JSON that can be read ({one_line(error)}). {advice}") from error
    check_expected(content, expected, path, advice)
    return content


def check_expected(content: Any, expected: Expected, path: Path, advice: str) -> None:
    """Checks the content of a file that is already read.

    Raises:
        RunError: it holds something else; the message names the first place.
    """
    fault = fault_of(content, expected)
    if fault:
        raise RunError(f"{path}: is damaged; {fault}. {advice}")


def read_journal(path: Path, expected: Expected) -> list[dict[str, Any]]:
    """The rows of a file with one JSON object a line. A last line that was cut short is left out; a missing file has no rows.

    Raises:
        RunError: the file cannot be read, or another line is damaged.
    """
    try:
        whole, _, _ = read_regular(path).rpartition(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from error
    rows = []
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            row = json_of(line.decode(), f"{path}:{number}", "a JSON object")
            fault = fault_of(row, expected)
        except (DataError, UnicodeDecodeError):
            fault = f"{short_text(line.decode(errors='replace'))} is not a JSON object"
        if fault:
            raise RunError(f"{path}:{number}: is damaged; {fault}. Restore the file, or remove this line.")
        rows.append(row)
    return rows


def fault_of(content: Any, expected: Expected) -> str:
    """The first difference between a value and what is expected, in words; empty if there is none."""
    return next(_faults(content, expected, ""), "")


def _faults(content: Any, expected: Expected, path: str) -> Iterator[str]:
    if isinstance(expected, tuple):
        found = [next(_faults(content, one, path), "") for one in expected]
        if all(found):
            yield found[0]
    elif isinstance(expected, dict):
        yield from _faults_of_object(content, expected, path)
    elif isinstance(expected, list):
        if not isinstance(content, list):
            yield _wrong(content, list, path)
            return
        for index, entry in enumerate(content):
            yield from _faults(entry, expected[0], f"{path}.{index}" if path else str(index))
    elif not _is(content, expected):
        yield _wrong(content, expected, path)


def _faults_of_object(content: Any, expected: Mapping[str, Expected], path: str) -> Iterator[str]:
    if not isinstance(content, Mapping) and not path:
        yield "it holds no fields"
        return
    known: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
    for key, inner in expected.items():
        name = key.removesuffix("?")
        where = f"{path}.{name}" if path else name
        if key == "*":
            for other, value in known.items():
                if other not in expected and f"{other}?" not in expected:
                    yield from _faults(value, inner, f"{path}.{other}" if path else other)
        elif name in known:
            yield from _faults(known[name], inner, where)
        elif name == key:
            yield f"it lacks {where!r}"
    if known is not content:
        yield _wrong(content, dict, path)


def _is(content: Any, kind: Any) -> bool:
    if kind is None or content is None:
        return kind is content or kind is object
    if isinstance(content, bool):
        return kind in (bool, object)
    if kind is float:
        return isinstance(content, int | float) and math.isfinite(float_of(content))
    return isinstance(content, kind)


def _wrong(content: Any, kind: Any, path: str) -> str:
    place = f"{path!r} is " if path else "it is "
    return f"{place}{short_text(content)}, not {_WORDS.get(kind, 'null')}"
