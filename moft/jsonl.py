"""JSON as a user wrote it: read line by line, with the place of every mistake."""

from __future__ import annotations

import json
import math
from typing import Any

from moft.errors import DataError


def json_of(text: str, where: str, form: str | None = None) -> Any:
    """What a line of JSON says, or a whole file of it.

    Args:
        text: the line, or what the file holds.
        where: the file and line, for messages.
        form: what a line looks like, for messages; None where that would be long, and the place of the mistake is told.

    Raises:
        DataError: it is no JSON, or none that Python reads; the message begins with `where`.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if form is None:
            place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
            raise DataError(f"{where}: is not JSON ({error.msg}, {place}).") from error
        raise DataError(f"{where}: {text[:40]!r} is no JSON ({error.msg}); a line is {form}.") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{where}: is not JSON that can be read (nested too deep, or a number of too many digits).") from error


def float_of(number: int | float) -> float:
    """A number as a float; a whole number that no float holds is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
