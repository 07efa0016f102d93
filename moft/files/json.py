"""JSON and JSON lines: read with the place of every mistake, and written atomically."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moft.errors import DataError, RunError
from moft.files.atomic_write import atomic_write
from moft.files.regular_file import read_regular

DEPTH = 100
"""Levels of lists and objects in a JSON text; files of data and of runs have fewer than ten."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text from anywhere, whatever is in it.

    Raises:
        ValueError: it is not JSON, gives a key twice, is nested deeper than `DEPTH`, or holds what Python cannot keep: a number
            of too many digits, or half of a character (a surrogate). The message has one line.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        if not text.isascii():
            text.encode()
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer if len(text) > _DIGITS else None)
        if text.count("[") + text.count("{") > DEPTH:  # else it cannot be deeper
            _check_depth(value)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text ({error.reason} at byte {error.start})") from error
    except UnicodeEncodeError as error:
        half = ascii(error.object[error.start])[1:-1]
        raise ValueError(f"{half} is half of a character (a surrogate), which no text holds") from error
    return value


def json_of(text: str, where: str, form: str | None = None) -> Any:
    """The value of a line of JSON, or of a whole file.

    Args:
        text: the line, or the content of the file.
        where: the file and line, for messages.
        form: what a line looks like, for messages; None names the place of the mistake in its stead.

    Raises:
        DataError: it is not JSON, or nothing that `parse_json` accepts; the message begins with `where`.
    """
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        if form is None:
            place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
            raise DataError(f"{where}: is not JSON ({error.msg}, {place}).") from error
        raise DataError(f"{where}: {text[:40]!r} is not JSON ({error.msg}); a line is {form}.") from error
    except ValueError as error:
        raise DataError(f"{where}: is not JSON that can be read ({error}).") from error


def float_of(number: int | float) -> float:
    """A number as a float; a whole number that no float holds is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, indented, whole or not at all; NaN becomes null.

    Raises:
        RunError: a number is infinite, or the file system refuses.
    """
    try:
        text = json.dumps(_without_nan(content), indent=1, allow_nan=False)
    except ValueError as error:
        raise RunError(f"{path}: is not written; {next(_infinite(content), error)}.") from error
    atomic_write(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file of a run.

    Raises:
        RunError: it is missing, cut short or damaged.
    """
    try:
        return parse_json(read_regular(path))
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing; the run is not complete.") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except ValueError as error:
        raise RunError(f"{path}: is cut short or not JSON ({error}).") from error


_TOO_DEEP = f"nested deeper than {DEPTH} levels"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, whose keys must differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"key {counts.most_common(1)[0][0]!r} is given twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of more than {_DIGITS:,} digits")
    return int(digits)


_DIGITS = 4300  # Python refuses to write longer integers as text


def _check_depth(value: Any) -> None:
    """Refuses a value nested deeper than `DEPTH`; looks at one level after the other, so that no depth is too much."""
    level = [value]
    for _ in range(DEPTH + 1):
        inner = [part for part in level if isinstance(part, dict | list)]
        if not inner:
            return
        level = [item for part in inner for item in (part.values() if isinstance(part, dict) else part)]
    raise ValueError(_TOO_DEEP)


def _without_nan(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and content != content else content


def _infinite(content: Any, path: str = "") -> Iterator[str]:
    """Where numbers are infinite, in words."""
    items = content.items() if isinstance(content, Mapping) else enumerate(content) if isinstance(content, list | tuple) else ()
    for key, value in items:
        yield from _infinite(value, f"{path}.{key}" if path else str(key))
    if isinstance(content, float) and math.isinf(content):
        yield f"{path or 'it'} is {content}, which is not a finite number"
