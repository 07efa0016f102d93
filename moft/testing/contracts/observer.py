"""The contract of observers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from moft.errors import RunError
from moft.suggestions import one_line
from moft.testing.contracts.assertions import require
from moft.testing.single_plugin import registered
from moft.types import Front, ListValues, Run, Tradeoff

_HOOKS = ("moft_run_started", "moft_step_ended", "moft_points_measured", "moft_front_profiled", "moft_run_ended")


def check_observer(plugin: object) -> None:
    """Checks what every observer promises, by telling it of made-up runs.

    At least one of the five hooks of a run; none of them raises, whether a run ends well or badly, with steps and without, for
    the first time, resumed in the same folder, and in another; what it is told is left as it was.

    Args:
        plugin: a module, or an object, with hooks.

    Raises:
        AssertionError: what was promised, what was seen, and on which input.
    """
    plugins = registered(plugin, "observer")
    own = [hook for hook in _HOOKS if plugins.implementations(hook)]
    require(bool(own), f"one of the hooks {', '.join(_HOOKS)}", "none", "the plugin itself")
    with TemporaryDirectory() as folder:
        for hook, arguments, on in told(Path(folder)):
            for implementation in plugins.implementations(hook):
                kept = deepcopy(arguments.get("values"))
                try:
                    implementation(**arguments)
                except Exception as error:
                    raise AssertionError(f"promised: {hook} raises nothing. Seen: {one_line(error)}. On: {on}.") from error
                require(arguments.get("values") == kept, "values left as they were", arguments.get("values"), f"{hook}, {on}")


def told(folder: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """What happens in some runs: hook, arguments, and where in words."""
    ends = (None, RunError("job 'policy', step 3: loss nan is not finite."), KeyboardInterrupt(), None)
    for number, error in enumerate(ends):
        place = folder / ("other" if number == 3 else "run")
        place.mkdir(exist_ok=True)
        run = Run(place.name, place, {"task": {"name": "toy"}, "method": {"name": "cos-dpo"}, "seed": 0})
        about = f"run {number + 1}, {'resumed' if number in (1, 2) else 'new'}"
        yield "moft_run_started", {"run": run}, about
        for step, values in enumerate(_steps() if number != 2 else (), start=1):
            yield "moft_step_ended", {"run": run, "step": step, "values": values}, f"{about}, step {step}"
        if error is None:
            for done in (1, 2, 3):
                yield "moft_points_measured", {"run": run, "done": done, "points": 3}, f"{about}, point {done}"
            yield "moft_front_profiled", {"run": run, "front": _front()}, about
        yield "moft_run_ended", {"run": run, "error": error}, f"{about}, ended {'well' if error is None else 'badly'}"


def _steps() -> Iterator[Mapping[str, float | str]]:
    """Values of the steps of two jobs; the last one of each was evaluated."""
    for job, measured in (("base", {"validation_ndcg": 0.5}), ("policy", {"hypervolume": 0.25, "main": 0.5, "first": 0.75})):
        for epoch in (1, 2):
            told: dict[str, float | str] = {
                "job": job,
                "epoch": epoch,
                "epochs": 2,
                "progress": epoch / 2,
                "loss": 1.0 / epoch,
                "gradient": 0.5,
                "learning_rate": 1e-3,
                "seconds": 0.25 * epoch,
                "lists": 8 * epoch,
            }
            yield told | measured if epoch == 2 else told


def _front() -> Front:
    """Three points of two objectives, over four lists, one of which says nothing of the second."""
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    values = torch.linspace(0.25, 0.75, 24).reshape(3, 4, 2)
    values[:, 0, 1] = torch.nan
    measured = ListValues(values, torch.full((3, 4), 0.5), torch.arange(4))
    return Front(("first", "second"), Tradeoff(weights, torch.ones(1, 2)), measured, "toy metric", "test")
