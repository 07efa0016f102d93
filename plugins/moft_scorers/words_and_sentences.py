"""Counts the words and splits the sentences of a text, by punctuation only."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”\u2019)\]]))\s+|(?<=[。\uff01\uff1f])|\n")


def words(text: str) -> int:
    """Number of words: sequences of letters and digits; an apostrophe or hyphen inside a word is part of it."""
    return sum(1 for _ in _WORD.finditer(text))


def sentences(text: str) -> list[str]:
    """The sentences with a word. A sentence ends at `.`, `!`, `?` or `…` before a space, at `。`, `！` or `？`, and at line ends.

    An abbreviation before a space also ends a sentence, and a truncated sentence counts as one.
    """
    return [part for part in _END.split(text) if words(part)]
