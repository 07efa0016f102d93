"""What texts and labels of a data file may be."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from moft import DataError
from moft.api import float_of

MAX_LABEL = 3.4e38
"""Labels are stored in 32 bits."""

MAX_CHARACTERS = 1_000_000
"""Of a text; a tokenizer takes seconds for a word of a million letters."""

MAX_RESPONSES = 1_000
"""To a prompt; they are scored in one forward pass."""

_INVISIBLE = ("Cc", "Cf", "Zs", "Zl", "Zp")
_BLANK = "\u034f\u115f\u1160\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))  # fillers and variation selectors


def text_of(value: Any, what: str, where: str) -> str:
    """`value`, checked to be text that can be encoded and tokenized.

    Raises:
        DataError: it is not.
    """
    if not isinstance(value, str):
        raise DataError(f"{where}: {what} is {short_repr(value)}; it must be text.")
    if len(value) > MAX_CHARACTERS:
        raise DataError(f"{where}: {what} has {len(value):,} characters; at most {MAX_CHARACTERS:,} are allowed.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: {what} has half of a surrogate pair at character {error.start}; it must be valid text."
        ) from error
    return value


def is_visible(text: str) -> bool:
    """Whether a text has a character that is neither white space nor invisible, such as U+200B."""
    return any(
        unicodedata.category(character) not in _INVISIBLE and character not in _BLANK and not character.isspace()
        for character in text
    )


def label_of(value: Any, what: str, where: str) -> float | None:
    """A label: a finite number, or None. True and False are 1 and 0.

    Raises:
        DataError: it is none of these.
    """
    if value is None:
        return None
    number = float_of(value) if isinstance(value, int | float) else math.nan
    if not math.isfinite(number):
        raise DataError(
            f"{where}: {what} is {short_repr(value)}; it must be a finite number, or null for a response without a label."
        )
    if abs(number) > MAX_LABEL:
        raise DataError(
            f"{where}: {what} is {short_repr(value)}; it must be from -{MAX_LABEL:g} to {MAX_LABEL:g}, to fit into 32 bits."
        )
    return number


def one_line(text: str) -> str:
    """A text without line breaks, for messages."""
    return " ".join(text.split())


def short_repr(value: Any) -> str:
    """A value as short text on one line, for messages."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
