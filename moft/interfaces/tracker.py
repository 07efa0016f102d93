"""The interface of trackers, which send the progress of a run to an experiment tracker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from moft.types import Front


@runtime_checkable
class Tracker(Protocol):
    """Sends the events of one run to an experiment tracker. Built with a `Run` left of its star.

    The constructor opens and sends nothing. A `ConfigError` from it, such as for a missing library, ends the run before it
    begins. An error from a method is reported once, and the run goes on.
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
