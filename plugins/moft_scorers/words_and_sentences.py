"""Words and sentences of a text, by punctuation alone."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”\u2019)\]]))\s+|(?<=[。\uff01\uff1f])|\n")


def words(text: str) -> int:
    """Number of words: runs of letters and digits; an apostrophe or a hyphen inside a word does not end it."""
    return sum(1 for _ in _WORD.finditer(text))


def sentences(text: str) -> list[str]:
    """The sentences that have a word. One ends at `.`, `!`, `?` or `…` before a space, at `。`, `！` or `？`, and with its line.

    So an abbreviation before a space ends one as well, and a sentence that was cut off is one.
    """
    return [part for part in _END.split(text) if words(part)]
