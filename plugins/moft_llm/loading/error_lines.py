"""Errors of other libraries, in one line."""

from __future__ import annotations

from textwrap import shorten


def error_line(error: BaseException, most: int = 240) -> str:
    """The message of an error in one line, or its class where it has none.

    Args:
        error: of any class.
        most: characters.
    """
    return shorten(str(error), most, placeholder=" ...") or type(error).__name__
