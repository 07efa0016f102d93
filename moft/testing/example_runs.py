"""The events of example runs, for the contracts of observers and trackers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from moft.errors import RunError
from moft.types import Front, ListValues, Run, Tradeoff


def run_events(folder: Path) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The events of some runs: hook, arguments, and the run in words."""
    ends = (None, RunError("job 'policy', step 3: loss nan is not finite."), KeyboardInterrupt(), None)
    for number, error in enumerate(ends):
        place = folder / ("other" if number == 3 else "run")
        place.mkdir(exist_ok=True)
        run = Run(place.name, place, {"task": {"name": "toy"}, "method": {"name": "cos-dpo"}, "seed": 0})
        about = f"run {number + 1}, {'resumed' if number in (1, 2) else 'new'}"
        yield "moft_run_started", {"run": run}, about
        for step, values in enumerate(_step_values() if number != 2 else (), start=1):
            yield "moft_step_ended", {"run": run, "step": step, "values": values}, f"{about}, step {step}"
        if error is None:
            for done in (1, 2, 3):
                yield "moft_points_measured", {"run": run, "done": done, "points": 3}, f"{about}, point {done}"
            yield "moft_front_profiled", {"run": run, "front": _front()}, about
        yield "moft_run_ended", {"run": run, "error": error}, f"{about}, ended {'well' if error is None else 'badly'}"


def _step_values() -> Iterator[Mapping[str, float | str]]:
    """Values of the steps of two jobs; the last one of each was evaluated."""
    for job, measured in (("base", {"validation_ndcg": 0.5}), ("policy", {"hypervolume": 0.25, "main": 0.5, "first": 0.75})):
        for epoch in (1, 2):
            values: dict[str, float | str] = {
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
            yield values | measured if epoch == 2 else values


def _front() -> Front:
    """Three points of two objectives, over four lists; one list has no value for the second."""
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    values = torch.linspace(0.25, 0.75, 24).reshape(3, 4, 2)
    values[:, 0, 1] = torch.nan
    measured = ListValues(values, torch.full((3, 4), 0.5), torch.arange(4))
    return Front(("first", "second"), Tradeoff(weights, torch.ones(1, 2)), measured, "toy metric", "test")
