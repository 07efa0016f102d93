"""JSON and JSON lines: read with the place of every mistake, and written atomically."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moft.errors import DataError, RunError
from moft.files.atomic_write import atomic_write


def json_of(text: str, where: str, form: str | None = None) -> Any:
    """The value of a line of JSON, or of a whole file.

    Args:
        text: the line, or the content of the file.
        where: the file and line, for messages.
        form: what a line looks like, for messages; None names the place of the mistake in its stead.

    Raises:
        DataError: it is not JSON, a key is given twice, or Python cannot read it; the message begins with `where`.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except _RepeatedKeyError as error:
        raise DataError(f"{where}: the key {str(error)!r} is given twice.") from error
    except json.JSONDecodeError as error:
        if form is None:
            place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
            raise DataError(f"{where}: is not JSON ({error.msg}, {place}).") from error
        raise DataError(f"{where}: {text[:40]!r} is not JSON ({error.msg}); a line is {form}.") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{where}: is not JSON that can be read (nested too deep, or a number of too many digits).") from error


class _RepeatedKeyError(Exception):
    """A key is given twice in an object; the message is the key."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


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
        RunError: it is missing or cut short.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing; the run is not complete.") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: is cut short or not JSON ({error}).") from error


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
