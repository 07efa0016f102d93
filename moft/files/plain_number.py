"""Numbers as users type them: decimal digits, a point and an exponent; not all that Python's `float` takes."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def is_plain(text: str) -> bool:
    """Whether a text is a decimal number; `1_0`, `inf`, `nan`, `0x10` and digits of other scripts are not."""
    return len(text) <= 1000 and _NUMBER.fullmatch(text.strip(" ")) is not None


def plain_number(text: str) -> float:
    """The number that a text says; infinite where no float is as large.

    Raises:
        ValueError: it is not a decimal number.
    """
    if not is_plain(text):
        raise ValueError(f"{text[:40]!r} is not a decimal number")
    return float(text)
