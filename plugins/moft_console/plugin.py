"""Shows the progress of a run, live on a terminal and as plain lines elsewhere, and prints each front as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from moft import hookimpl

if TYPE_CHECKING:
    from moft.api import Front, Run
    from moft_console.progress_display import Display


class Console:
    """Observes the runs of a process, one after another."""

    def __init__(self) -> None:
        self._display: Display | None = None
        self._is_in_run = False

    @hookimpl
    def moft_run_started(self, run: Run) -> None:
        """Prints where the run writes."""
        self._display, self._is_in_run = None, True  # a run that was killed may have left a display
        self._display_of_run().on_start(run.name, run.folder)

    @hookimpl
    def moft_step_ended(self, run: Run, values: Mapping[str, float | str]) -> None:
        """Shows the step, if a new display is due."""
        self._display_of_run().on_step(values, run.nouns.lists)

    @hookimpl
    def moft_points_measured(self, done: int, points: int) -> None:
        """Shows how many points of a front are measured."""
        self._display_of_run().on_points_measured(done, points)

    @hookimpl
    def moft_front_profiled(self, front: Front) -> None:
        """Prints the front on stdout."""
        from moft_console.front_table import print_front

        if self._display is not None:  # there is none if a front is measured outside a run
            self._display.pause()
            self._display = self._display if self._is_in_run else None
        print_front(front)

    @hookimpl
    def moft_run_ended(self, run: Run, error: BaseException | None) -> None:
        """Prints how the run ended, and discards its display."""
        self._display_of_run().on_end(run.name, error)
        self._display, self._is_in_run = None, False

    def _display_of_run(self) -> Display:
        """The display of the current run, made when it is first needed."""
        if self._display is None:
            from moft_console.progress_display import display_for_stderr

            self._display = display_for_stderr()
        return self._display


console = Console()
