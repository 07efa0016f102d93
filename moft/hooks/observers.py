"""Calls the observers and trackers of a run; one that raises is reported and does not end the run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moft.hooks.plugin_manager import Plugins
from moft.suggestions import one_line

if TYPE_CHECKING:
    from moft.interfaces import Tracker
    from moft.types import Front, Nouns, Run


class Observers:
    """Calls the hooks of all plugins, and the trackers of one run; one that raises is reported on stderr, once per hook.

    Args:
        plugins: whose hooks are called.
        run: the run that is observed.
        trackers: of this run, by their names in messages.
    """

    def __init__(self, plugins: Plugins, run: Run, trackers: Mapping[str, Tracker] | None = None) -> None:
        self._plugins = plugins
        self._run = run
        self._trackers = dict(trackers or {})
        self._reported: set[tuple[str, str]] = set()

    def run_started(self) -> None:
        """The run starts, or continues after a resume."""
        self._notify("moft_run_started")

    def name_lists(self, nouns: Nouns) -> None:
        """From here on, plugins see what the run's task calls its lists and items."""
        self._run = replace(self._run, nouns=nouns)

    def step_ended(self, step: int, values: Mapping[str, float | str]) -> None:
        """A step of a job ended, with the `values` that the hook describes."""
        self._notify("moft_step_ended", step=step, values=values)

    def points_measured(self, done: int, points: int) -> None:
        """`done` of `points` points of a front are measured; trackers are not called."""
        self._notify_plugins("moft_points_measured", done=done, points=points)

    def front_profiled(self, front: Front) -> None:
        """A policy was measured over a grid."""
        self._notify("moft_front_profiled", front=front)

    def run_ended(self, error: BaseException | None) -> None:
        """The run ended; `error` is None if it succeeded."""
        self._notify("moft_run_ended", error=error)

    def _notify(self, hook: str, **arguments: Any) -> None:
        """Calls each plugin's implementation, and each tracker, by itself."""
        self._notify_plugins(hook, **arguments)
        method = hook.removeprefix("moft_")
        for name, tracker in list(self._trackers.items()):
            if not self._try(name, method, getattr(tracker, method), **arguments) and method == "run_started":
                del self._trackers[name]  # it did not open, so it cannot write

    def _notify_plugins(self, hook: str, **arguments: Any) -> None:
        for implementation in self._plugins.implementations(hook):
            self._try(f"plugin {implementation.origin}", hook, implementation, run=self._run, **arguments)

    def _try(self, name: str, hook: str, call: Callable[..., Any], **arguments: Any) -> bool:
        """Whether a call succeeded; its error is printed the first time."""
        try:
            call(**arguments)
        except (Exception, SystemExit) as error:
            if (name, hook) not in self._reported:
                self._reported.add((name, hook))
                print(f"moft: {name} failed in {hook} ({one_line(error)}); the run continues.", file=sys.stderr)
            return False
        return True
