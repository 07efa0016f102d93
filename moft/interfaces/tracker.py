"""What a tracker does: it sends the progress of a run to an experiment tracker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from moft.types import Front


@runtime_checkable
class Tracker(Protocol):
    """Sends what happens in one run to where its user looks at runs. Built with a `Run` left of its star.

    Building it opens and sends nothing; a `ConfigError` there, such as for a library that is missing, ends the run before it
    begins. What a method raises is reported once, and the run goes on.
    """

    def run_started(self) -> None:
        """The run begins, or goes on after a resume."""
        ...

    def step_ended(self, step: int, values: Mapping[str, float | str]) -> None:
        """A step of a job ended; arguments are those of the hook `moft_step_ended`."""
        ...

    def front_profiled(self, front: Front) -> None:
        """The policy was measured; `front.json`, `front.csv` and `front.png` are in the run folder."""
        ...

    def run_ended(self, error: BaseException | None) -> None:
        """The run ended; `error` is None when it ended well."""
        ...
