"""Where progress goes: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol


class Display(Protocol):
    """Shows one run."""

    def started(self, name: str, folder: Any) -> None:
        """The run called `name` begins, and writes to `folder` or to nothing."""

    def stepped(self, values: Mapping[str, float | str]) -> None:
        """A step of a job ended, with `values` as the hook describes them; any may be missing."""

    def measured(self, done: int, points: int) -> None:
        """So many points of a front are measured."""

    def paused(self) -> None:
        """Something else is printed next."""

    def ended(self, name: str, error: BaseException | None) -> None:
        """The run is over; `error` is None when it ended well."""


def display_for_stderr() -> Display:
    """A live bar where stderr is a terminal that can move its cursor, else plain lines."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from rich.console import Console

        from moft_console.progress_bar import Bar

        return Bar(Console(stderr=True, highlight=False), time.monotonic)
    from moft_console.progress_lines import Lines

    return Lines(sys.stderr, time.monotonic)
