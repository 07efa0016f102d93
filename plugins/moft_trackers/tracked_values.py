"""Converts steps, fronts and configs to the numbers, tables and texts that trackers log."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moft.api import Front, Run, parse_json

_POSITION = frozenset({"job", "jobs", "epoch", "epochs", "progress"})
_STEP_VALUES = _POSITION | {"loss", "gradient", "learning_rate", "seconds", "lists"}


def is_due(step: int, values: Mapping[str, float | str], every: int) -> bool:
    """Whether a step is logged: every n-th one, and the first, the last and the evaluated steps of a job."""
    return step == 1 or step % every == 0 or values.get("progress") == 1.0 or bool(values.keys() - _STEP_VALUES)


def numbers_of(values: Mapping[str, float | str]) -> dict[str, float]:
    """The finite numbers of a step, named `JOB/NAME`; epoch and progress are left out."""
    job = values.get("job", "run")
    return {f"{job}/{name}": value for name, value in _finite(values) if name not in _POSITION}


def front_table(front: Front) -> tuple[list[str], list[list[float | None]]]:
    """Column names, and a row for each point: weights, values of the objectives and the main value; None if not measured."""
    weights = front.tradeoffs.expand(len(front.tradeoffs)).weights
    columns = [*(f"weight:{name}" for name in front.objectives), *front.objectives, "main"]
    rows = zip(weights.tolist(), front.points.tolist(), front.main.tolist(), strict=True)
    return columns, [[value if math.isfinite(value) else None for value in [*row, *points, main]] for row, points, main in rows]


def front_numbers(run: Run) -> dict[str, float]:
    """Hypervolume with interval, mean of the main objective and indicators, from `front.json`; named `front/NAME`."""
    file = file_of(run, "front.json")
    if file is None:
        return {}
    record: dict[str, Any] = parse_json(file.read_bytes())
    low, high = record["hypervolume"]["ci"]
    numbers = {"hypervolume": record["hypervolume"]["value"], "hypervolume_low": low, "hypervolume_high": high}
    numbers |= {"main": record["main"]["mean"], **record["indicators"]}
    return {f"front/{name}": value for name, value in _finite(numbers)}


def front_for_board(library: Any, run: Run, front: Front) -> dict[str, Any]:
    """A front for a dashboard: its numbers, its points as a `Table` and its picture as an `Image` of the library."""
    columns, rows = front_table(front)
    content: dict[str, Any] = {**front_numbers(run), "front/points": library.Table(columns=columns, data=rows)}
    picture = file_of(run, "front.png")
    if picture is not None:
        content["front/picture"] = library.Image(str(picture))
    return content


def file_of(run: Run, name: str) -> Path | None:
    """A file of the run folder, if it exists."""
    path = None if run.folder is None else Path(run.folder) / name
    return path if path is not None and path.is_file() else None


def flatten(config: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Every setting of a config as text, by path, such as `method.sampler.name`."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, where)
        else:
            flat[where] = str(value)
    return flat


def _finite(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names and values of the finite numbers."""
    for name, value in values.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield name, float(value)
