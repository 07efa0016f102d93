"""Shows how a run goes: progress on a terminal, plain lines elsewhere, and each front as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from moft import hookimpl

if TYPE_CHECKING:
    from moft.api import Front, Run
    from moft_console.progress_display import Display


class Console:
    """Observes the runs of a process, one after the other."""

    def __init__(self) -> None:
        self._display: Display | None = None
        self._is_in_run = False

    @hookimpl
    def moft_run_started(self, run: Run) -> None:
        """Says where the run writes."""
        self._display, self._is_in_run = None, True  # a run that broke off may have left its own
        self._shown().started(run.name, run.folder)

    @hookimpl
    def moft_step_ended(self, values: Mapping[str, float | str]) -> None:
        """Shows the step, if it is time to."""
        self._shown().stepped(values)

    @hookimpl
    def moft_points_measured(self, done: int, points: int) -> None:
        """Shows how many points are measured."""
        self._shown().measured(done, points)

    @hookimpl
    def moft_front_profiled(self, front: Front) -> None:
        """Prints the front on stdout."""
        from moft_console.front_table import print_front

        if self._display is not None:  # a front may be measured outside of any run
            self._display.paused()
            self._display = self._display if self._is_in_run else None
        print_front(front)

    @hookimpl
    def moft_run_ended(self, run: Run, error: BaseException | None) -> None:
        """Says how the run ended, and forgets it."""
        self._shown().ended(run.name, error)
        self._display, self._is_in_run = None, False

    def _shown(self) -> Display:
        """The display of this run."""
        if self._display is None:
            from moft_console.progress_display import display_for_stderr

            self._display = display_for_stderr()
        return self._display


console = Console()
