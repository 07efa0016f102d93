"""Parts of messages: the nearest known word, lists of words, errors on one line, and text that a terminal may show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from moft.renames import rename_hint
from moft.secret_values import redacted


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?` with the known word nearest to `word`; empty if none is near."""
    by_lower = {name.lower().replace("_", "-"): name for name in known}
    found = get_close_matches(word.lower().replace("_", "-"), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[found[0]]!r}?" if found else ""


def listed(words: Iterable[str]) -> str:
    """The words with commas between them, or `(none)`."""
    return ", ".join(words) or "(none)"


def one_line(error: BaseException) -> str:
    """Type and text of an error, on one line, without secrets, with the new name where it is about an old one."""
    text = printable(redacted(" ".join(str(error).split()))) + rename_hint(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, *, kept: str = "") -> str:
    """A text from anywhere with its control characters escaped, so that it cannot steer a terminal.

    Args:
        text: the text.
        kept: control characters to keep, such as line ends; without them the result is one line.
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in kept else ascii(found[0])[1:-1], text)


def short_text(value: object) -> str:
    """A value of a file as it is shown in a message: at most forty characters of its representation."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
