"""Progress as plain lines of text, for logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TextIO

from moft_console.time_left import Pace, end_line, start_line

INTERVAL = 10.0  # seconds


class ProgressLines:
    """Writes a line every ten seconds at most, and at each evaluation.

    Args:
        stream: where to write.
        clock: seconds, monotonic.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream, self._clock = stream, clock
        self._pace, self._measuring = Pace(clock), Pace(clock)
        self._began = self._last = clock()
        self._measured = 0

    def on_start(self, name: str, folder: Any) -> None:
        self._write(start_line(name, folder))

    def on_step(self, values: Mapping[str, float | str], lists: str = "lists") -> None:
        status = self._pace.after(values)
        now = self._clock()
        if not status.evaluation and now - self._last < INTERVAL:
            return
        self._last = now
        others = [f"{name} {value:z.4f}" for name, value in status.evaluation.items() if name != "hypervolume"]
        self._write("  ".join([status.job, *status.words(lists), *others]))

    def on_points_measured(self, done: int, points: int) -> None:
        if done <= self._measured:  # a new front
            self._measuring = Pace(self._clock)
        self._measured = done
        status, now = self._measuring.after({"job": "measuring", "progress": done / points}), self._clock()
        if done < points and now - self._last < INTERVAL:
            return
        self._last = now
        self._write("  ".join([f"measured {done} of {points} points", *status.words()[1:]]))

    def pause(self) -> None:
        self._stream.flush()

    def on_end(self, name: str, error: BaseException | None) -> None:
        self._write(end_line(name, error, self._clock() - self._began))

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)
