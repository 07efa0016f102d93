"""The contract of trackers."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from moft.interfaces import Tracker
from moft.suggestions import one_line
from moft.testing.contracts.assertions import require
from moft.testing.contracts.observer import told
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
    """Checks what every tracker promises, by telling it of made-up runs.

    Building it writes nothing into the run folder; none of its methods raises, whether a run ends well or badly, with steps and
    without, for the first time, resumed in the same folder, and in another; what it is told is left as it was.

    Args:
        build: run to tracker; it should show runs where a test may.

    Raises:
        AssertionError: what was promised, what was seen, and on which input.
    """
    with TemporaryDirectory() as folder:
        tracker: Any = None
        for hook, arguments, on in told(Path(folder)):
            method, run = hook.removeprefix("moft_"), arguments.pop("run")
            if method == "points_measured":
                continue  # trackers are not told
            if method == "run_started":
                tracker = _built(build, run, on)
            if method == "front_profiled":
                (run.folder / "front.json").write_text(json.dumps(_FRONT), encoding="utf-8")
                (run.folder / "front.csv").write_text("first,second\n", encoding="utf-8")
                (run.folder / "front.png").write_bytes(_PICTURE)
            kept = deepcopy(arguments.get("values"))
            try:
                getattr(tracker, method)(**arguments)
            except Exception as error:
                raise AssertionError(f"promised: {method} raises nothing. Seen: {one_line(error)}. On: {on}.") from error
            require(arguments.get("values") == kept, "values left as they were", arguments.get("values"), f"{method}, {on}")


def _built(build: Callable[[Run], Tracker], run: Run, on: str) -> Tracker:
    """The tracker of a run, which has opened nothing yet."""
    before = sorted(run.folder.rglob("*"))
    tracker: object = build(run)
    methods = ("run_started", "step_ended", "front_profiled", "run_ended")
    lacking = [name for name in methods if not callable(getattr(tracker, name, None))]
    require(isinstance(tracker, Tracker), f"methods {', '.join(methods)}", f"no {', '.join(lacking)}", on)
    written = [path.name for path in sorted(run.folder.rglob("*")) if path not in before]
    require(not written, "nothing is opened before the run has begun", f"{written} in the run folder", on)
    return tracker  # type: ignore[return-value]
