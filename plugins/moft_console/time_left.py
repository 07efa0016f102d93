"""How fast a job goes, how long it will take, and what it last measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

STEP_VALUES = frozenset({"job", "epoch", "epochs", "progress", "loss", "gradient", "learning_rate", "seconds", "lists"})


@dataclass(frozen=True)
class Status:
    """What is known of a job after a step; None is what is not.

    Args:
        job: its name.
        progress: 0 to 1.
        rate: lists per second.
        left: seconds to its end.
        loss: of the last step.
        hypervolume: of the last evaluation.
        evaluation: what this step's evaluation measured; empty when there was none.
    """

    job: str
    progress: float | None = None
    rate: float | None = None
    left: float | None = None
    loss: float | None = None
    hypervolume: float | None = None
    evaluation: Mapping[str, float] = field(default_factory=dict)

    def words(self) -> list[str]:
        """What is known, in short words: percent, rate, time left, loss, hypervolume."""
        words = []
        if self.progress is not None:
            words.append(f"{self.progress:4.0%}")
        if self.rate is not None:
            words.append(f"{self.rate:.{0 if self.rate >= 10 else 1}f} lists/s")
        if self.left is not None:
            words.append(f"{duration(self.left)} left")
        if self.loss is not None:
            words.append(f"loss {self.loss:.4f}")
        if self.hypervolume is not None:
            words.append(f"hypervolume {self.hypervolume:.4f}")
        return words


class Pace:
    """Follows the jobs of a run, by its own clock: a resumed job's seconds count work of earlier sessions.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._job = ""
        self._start = (0.0, 0.0, 0.0)
        self._seconds: float | None = None  # of the job at its start here
        self._hypervolume: float | None = None

    def after(self, values: Mapping[str, float | str]) -> Status:
        """The status after a step."""
        job = str(values.get("job", "training"))
        now, progress, lists = self._clock(), _number(values, "progress"), _number(values, "lists")
        seconds = _number(values, "seconds")
        if job != self._job:
            self._hypervolume = None
        if job != self._job or (seconds is not None and seconds == self._seconds):  # steps told together begin with their last
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


def ending(name: str, error: BaseException | None, seconds: float) -> str:
    """How a run ended, in a line; what went wrong is for whoever raised it to say."""
    how = "done in" if error is None else "stopped after" if isinstance(error, KeyboardInterrupt) else "failed after"
    return f"run {name}: {how} {duration(seconds)}"


def beginning(name: str, folder: object) -> str:
    """Where a run writes, in a line."""
    return f"run {name}: writes to {folder}" if folder is not None else f"run {name}: writes nothing"


def _number(values: Mapping[str, float | str], name: str) -> float | None:
    """A value that is a finite number, or None."""
    value = values.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
