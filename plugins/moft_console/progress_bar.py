"""Progress as live bars on a terminal, one for each job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from moft_console.time_left import Pace, beginning, ending

EVERY = 0.2  # seconds between two drawings


class Bar:
    """Draws the jobs of a run.

    Args:
        console: the terminal.
        clock: seconds that only grow.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._pace, self._measuring = Pace(clock), Pace(clock)
        self._began = self._last = clock()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def started(self, name: str, folder: Any) -> None:
        self._write(beginning(name, folder))

    def stepped(self, values: Mapping[str, float | str]) -> None:
        status = self._pace.after(values)
        progress = self._drawn()
        is_new = status.job not in self._tasks
        if is_new:
            self._tasks[status.job] = progress.add_task(status.job, total=1.0, words="")
        now = self._clock()
        is_due = is_new or bool(status.evaluation) or status.progress == 1 or now - self._last >= EVERY
        if is_due:
            self._last = now
        progress.update(
            self._tasks[status.job], completed=status.progress or 0.0, words="  ".join(status.words()), refresh=is_due
        )

    def measured(self, done: int, points: int) -> None:
        if done == 1:  # another front
            self._measuring = Pace(self._clock)
        status, progress = self._measuring.after({"job": "measuring", "progress": done / points}), self._drawn()
        if status.job not in self._tasks:
            self._tasks[status.job] = progress.add_task(status.job, total=1.0, words="")
        words = "  ".join([f"{done} of {points} points", *status.words()[1:]])
        progress.update(self._tasks[status.job], completed=done / points, words=words, refresh=True)

    def paused(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress, self._tasks = None, {}

    def ended(self, name: str, error: BaseException | None) -> None:
        self.paused()
        self._write(ending(name, error, self._clock() - self._began))

    def _drawn(self) -> Progress:
        """The bars, started when the first step ends or when something else was printed since."""
        if self._progress is None:
            job, words = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[words]}", markup=False)
            # stdout stays as it is: rich would send it to the console of the bars, which is stderr
            self._progress = Progress(job, BarColumn(20), words, console=self._console, auto_refresh=False, redirect_stdout=False)
            self._progress.start()
        return self._progress

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
