"""The display of a run's progress: live bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol


class Display(Protocol):
    """Shows the progress of one run."""

    def on_start(self, name: str, folder: Any) -> None:
        """The run `name` begins; it writes to `folder`, or to nothing if that is None."""

    def on_step(self, values: Mapping[str, float | str], lists: str = "lists") -> None:
        """A step of a job ended.

        Args:
            values: as the hook `moft_step_ended` describes them; any may be missing.
            lists: what the task calls several lists.
        """

    def on_points_measured(self, done: int, points: int) -> None:
        """`done` of `points` points of a front are measured."""

    def pause(self) -> None:
        """Something else is about to be printed."""

    def on_end(self, name: str, error: BaseException | None) -> None:
        """The run ended; `error` is None if it succeeded."""


def display_for_stderr() -> Display:
    """Live bars if stderr is a terminal that can move its cursor, else plain lines."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from rich.console import Console

        from moft_console.progress_bar import ProgressBar

        return ProgressBar(Console(stderr=True, highlight=False), time.monotonic)
    from moft_console.progress_lines import ProgressLines

    return ProgressLines(sys.stderr, time.monotonic)
