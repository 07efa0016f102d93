"""Live progress bars on a terminal, one for each job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from moft_console.time_left import Pace, end_line, start_line

INTERVAL = 0.2  # seconds between two updates of the screen


class ProgressBar:
    """Draws the jobs of a run.

    Args:
        console: the terminal.
        clock: seconds, monotonic.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._pace, self._measuring = Pace(clock), Pace(clock)
        self._began = self._last = clock()
        self._measured = 0
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def on_start(self, name: str, folder: Any) -> None:
        self._write(start_line(name, folder))

    def on_step(self, values: Mapping[str, float | str], lists: str = "lists") -> None:
        status = self._pace.after(values)
        progress = self._bars()
        is_new = status.job not in self._tasks
        if is_new:
            self._tasks[status.job] = progress.add_task(status.job, total=1.0, words="")
        now = self._clock()
        is_due = is_new or bool(status.evaluation) or status.progress == 1 or now - self._last >= INTERVAL
        if is_due:
            self._last = now
        progress.update(
            self._tasks[status.job], completed=status.progress or 0.0, words="  ".join(status.words(lists)), refresh=is_due
        )

    def on_points_measured(self, done: int, points: int) -> None:
        if done <= self._measured:  # a new front
            self._measuring = Pace(self._clock)
        self._measured = done
        status, progress = self._measuring.after({"job": "measuring", "progress": done / points}), self._bars()
        if status.job not in self._tasks:
            self._tasks[status.job] = progress.add_task(status.job, total=1.0, words="")
        words = "  ".join([f"{done} of {points} points", *status.words()[1:]])
        progress.update(self._tasks[status.job], completed=done / points, words=words, refresh=True)

    def pause(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress, self._tasks = None, {}

    def on_end(self, name: str, error: BaseException | None) -> None:
        self.pause()
        self._write(end_line(name, error, self._clock() - self._began))

    def _bars(self) -> Progress:
        """The bars; started at the first step, and again after something else was printed."""
        if self._progress is None:
            job, words = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[words]}", markup=False)
            # redirect_stdout would send what is printed to the console of the bars, which is stderr
            self._progress = Progress(job, BarColumn(20), words, console=self._console, auto_refresh=False, redirect_stdout=False)
            self._progress.start()
        return self._progress

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
