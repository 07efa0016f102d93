"""Rate, time left and last evaluation of a job, worked out from its steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

STEP_VALUES = frozenset({"job", "epoch", "epochs", "progress", "loss", "gradient", "learning_rate", "seconds", "lists"})


@dataclass(frozen=True)
class Status:
    """What is known about a job after a step; None where a value is unknown.

    Args:
        job: its name.
        progress: 0 to 1.
        rate: lists per second.
        left: seconds until its end.
        loss: of the last step.
        hypervolume: of the last evaluation.
        evaluation: values of this step's evaluation; empty if there was none.
    """

    job: str
    progress: float | None = None
    rate: float | None = None
    left: float | None = None
    loss: float | None = None
    hypervolume: float | None = None
    evaluation: Mapping[str, float] = field(default_factory=dict)

    def words(self, lists: str = "lists") -> list[str]:
        """What is known as short texts: percent, rate, time left, loss, hypervolume.

        Args:
            lists: what the task calls several lists.
        """
        words = []
        if self.progress is not None:
            words.append(f"{self.progress:4.0%}")
        if self.rate is not None:
            words.append(f"{self.rate:.{0 if self.rate >= 10 else 1}f} {lists}/s")
        if self.left is not None:
            words.append(f"{duration(self.left)} left")
        if self.loss is not None:
            words.append(f"loss {self.loss:.4f}")
        if self.hypervolume is not None:
            words.append(f"hypervolume {self.hypervolume:.4f}")
        return words


class Pace:
    """Rate and time left of the jobs of a run, by its own clock: the seconds of a resumed job include earlier sessions.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._job = ""
        self._start = (0.0, 0.0, 0.0)
        self._seconds: float | None = None  # of the job, at `_start`
        self._hypervolume: float | None = None

    def after(self, values: Mapping[str, float | str]) -> Status:
        """The status after a step."""
        job = str(values.get("job", "training"))
        now, progress, lists = self._clock(), _number(values, "progress"), _number(values, "lists")
        seconds = _number(values, "seconds")
        if job != self._job:
            self._hypervolume = None
        # steps with the same seconds were reported together: the last of them is the start
        if job != self._job or (seconds is not None and seconds == self._seconds):
            self._job, self._seconds = job, seconds
            self._start = (now, progress or 0.0, lists or 0.0)
        then, first_progress, first_lists = self._start
        passed = now - then
        rate = left = None
        if passed > 0 and lists is not None:
            rate = (lists - first_lists) / passed
        if passed > 0 and progress is not None and progress > first_progress:
            left = (1 - progress) * passed / (progress - first_progress)
        names = [name for name in values if name not in STEP_VALUES]
        evaluation = {name: value for name in names if (value := _number(values, name)) is not None}
        self._hypervolume = evaluation.get("hypervolume", self._hypervolume)
        return Status(job, progress, rate, left, _number(values, "loss"), self._hypervolume, evaluation)


def duration(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def end_line(name: str, error: BaseException | None, seconds: float) -> str:
    """One line on how a run ended; the error itself is printed by the caller of the run."""
    how = "done in" if error is None else "stopped after" if isinstance(error, KeyboardInterrupt) else "failed after"
    return f"run {name}: {how} {duration(seconds)}"


def start_line(name: str, folder: object) -> str:
    """One line on where a run writes."""
    return f"run {name}: writes to {folder}" if folder is not None else f"run {name}: writes nothing"


def _number(values: Mapping[str, float | str], name: str) -> float | None:
    """A value that is a finite number, or None."""
    value = values.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
