"""The contract of trackers."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from moft.interfaces import Tracker
from moft.testing.contracts.assertions import broken_rule, require
from moft.testing.example_runs import run_events
from moft.types import Run

_FRONT = {
    "objectives": ["first", "second"],
    "metric": "toy metric",
    "split": "test",
    "points": [],
    "hypervolume": {"value": 0.25, "ci": [0.125, 0.5], "reference": [0.0, 0.0]},
    "main": {"mean": 0.5, "deviation": 0.0},
    "indicators": {"spacing": 0.125, "monotonicity": None},
}
_PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
"""A PNG of one pixel."""


def check_tracker(build: Callable[[Run], Tracker]) -> None:
    """Checks the contract of trackers, with the events of example runs.

    Building it writes nothing into the run folder. None of its methods raises: in runs that finish and runs that fail, with and
    without steps, new and resumed in the same folder, and in another folder. The values that it gets are not changed.

    Args:
        build: makes the tracker of a run; it should write where a test may.

    Raises:
        AssertionError: a rule is broken; the message gives the rule, what was found and the input.
    """
    with TemporaryDirectory() as folder:
        tracker: Any = None
        for hook, arguments, on in run_events(Path(folder)):
            method, run = hook.removeprefix("moft_"), arguments.pop("run")
            if method == "points_measured":
                continue  # which trackers do not get
            if method == "run_started":
                tracker = _built(build, run, on)
            if method == "front_profiled":
                (run.folder / "front.json").write_text(json.dumps(_FRONT), encoding="utf-8")
                (run.folder / "front.csv").write_text("first,second\n", encoding="utf-8")
                (run.folder / "front.png").write_bytes(_PICTURE)
            before = deepcopy(arguments.get("values"))
            try:
                getattr(tracker, method)(**arguments)
            except Exception as error:
                raise broken_rule(f"{method} does not raise", error, on) from error
            require(arguments.get("values") == before, "values are not changed", arguments.get("values"), f"{method}, {on}")


def _built(build: Callable[[Run], Tracker], run: Run, on: str) -> Tracker:
    """The tracker of a run, before `run_started`."""
    before = sorted(run.folder.rglob("*"))
    tracker: object = build(run)
    methods = ("run_started", "step_ended", "front_profiled", "run_ended")
    missing = [name for name in methods if not callable(getattr(tracker, name, None))]
    require(isinstance(tracker, Tracker), f"methods {', '.join(methods)}", f"no {', '.join(missing)}", on)
    written = [path.name for path in sorted(run.folder.rglob("*")) if path not in before]
    require(not written, "nothing is written before `run_started`", f"{written} in the run folder", on)
    return tracker  # type: ignore[return-value]
