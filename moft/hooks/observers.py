"""The observers and trackers of one run: told what happens, and never able to end it."""

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
    """Tells every plugin, and the trackers, what happens in a run; one that raises is reported once per hook, on stderr.

    Args:
        plugins: whose hooks are called.
        run: the run that they are told of.
        trackers: of this run, by what messages call them.
    """

    def __init__(self, plugins: Plugins, run: Run, trackers: Mapping[str, Tracker] | None = None) -> None:
        self._plugins = plugins
        self._run = run
        self._trackers = dict(trackers or {})
        self._reported: set[tuple[str, str]] = set()

    def run_started(self) -> None:
        """The run begins, or goes on after a resume."""
        self._tell("moft_run_started")

    def name_lists(self, nouns: Nouns) -> None:
        """From here on, plugins see what the run's task calls its lists and items."""
        self._run = replace(self._run, nouns=nouns)

    def step_ended(self, step: int, values: Mapping[str, float | str]) -> None:
        """A step of a job ended; `values` as the hook describes them."""
        self._tell("moft_step_ended", step=step, values=values)

    def points_measured(self, done: int, points: int) -> None:
        """So many points of a front are measured; trackers are not told."""
        self._tell_plugins("moft_points_measured", done=done, points=points)

    def front_profiled(self, front: Front) -> None:
        """A policy was measured over a grid."""
        self._tell("moft_front_profiled", front=front)

    def run_ended(self, error: BaseException | None) -> None:
        """The run ended; `error` is None when it ended well."""
        self._tell("moft_run_ended", error=error)

    def _tell(self, hook: str, **arguments: Any) -> None:
        """Calls each plugin's implementation, and each tracker, by itself."""
        self._tell_plugins(hook, **arguments)
        method = hook.removeprefix("moft_")
        for name, tracker in list(self._trackers.items()):
            if not self._try(name, method, getattr(tracker, method), **arguments) and method == "run_started":
                del self._trackers[name]  # what did not open has nothing to write to

    def _tell_plugins(self, hook: str, **arguments: Any) -> None:
        for implementation in self._plugins.implementations(hook):
            self._try(f"plugin {implementation.origin}", hook, implementation, run=self._run, **arguments)

    def _try(self, who: str, what: str, call: Callable[..., Any], **arguments: Any) -> bool:
        """Whether one of them could be called; what it raises is printed, the first time."""
        try:
            call(**arguments)
        except (Exception, SystemExit) as error:
            if (who, what) not in self._reported:
                self._reported.add((who, what))
                print(f"moft: {who} failed in {what} ({one_line(error)}); the run goes on.", file=sys.stderr)
            return False
        return True
