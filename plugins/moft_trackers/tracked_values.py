"""What trackers are told, as what boards show: numbers with names, and the front as a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from moft.api import Front, Run

_PLACE = frozenset({"job", "jobs", "epoch", "epochs", "progress"})
_USUAL = _PLACE | {"loss", "gradient", "learning_rate", "seconds", "lists"}


def is_due(step: int, values: Mapping[str, float | str], every: int) -> bool:
    """Whether a step is to be shown: every so many, and the first, the last and the evaluated ones of a job always."""
    return step == 1 or step % every == 0 or values.get("progress") == 1.0 or bool(values.keys() - _USUAL)


def numbers_of(values: Mapping[str, float | str]) -> dict[str, float]:
    """The finite numbers of a step, called `JOB/NAME`; its place in the job is left out."""
    job = values.get("job", "run")
    return {f"{job}/{name}": value for name, value in _finite(values) if name not in _PLACE}


def front_table(front: Front) -> tuple[list[str], list[list[float | None]]]:
    """The names of columns, and a row for each point: weights, values, and the main objective's; None where unmeasured."""
    weights = front.tradeoffs.expand(len(front.tradeoffs)).weights
    columns = [*(f"weight:{name}" for name in front.objectives), *front.objectives, "main"]
    rows = zip(weights.tolist(), front.points.tolist(), front.main.tolist(), strict=True)
    return columns, [[value if math.isfinite(value) else None for value in [*row, *points, main]] for row, points, main in rows]


def front_numbers(run: Run) -> dict[str, float]:
    """Hypervolume with its interval, the main objective's mean and the indicators, called `front/NAME`; from `front.json`."""
    file = file_of(run, "front.json")
    if file is None:
        return {}
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    low, high = record["hypervolume"]["ci"]
    found = {"hypervolume": record["hypervolume"]["value"], "hypervolume_low": low, "hypervolume_high": high}
    found |= {"main": record["main"]["mean"], **record["indicators"]}
    return {f"front/{name}": value for name, value in _finite(found)}


def front_for_board(library: Any, run: Run, front: Front) -> dict[str, Any]:
    """What a board logs of a front: its numbers, its points as a `Table` of the library, and the picture as an `Image` of it."""
    columns, rows = front_table(front)
    shown: dict[str, Any] = {**front_numbers(run), "front/points": library.Table(columns=columns, data=rows)}
    picture = file_of(run, "front.png")
    if picture is not None:
        shown["front/picture"] = library.Image(str(picture))
    return shown


def file_of(run: Run, name: str) -> Path | None:
    """A file of the run folder, where there is one."""
    path = None if run.folder is None else Path(run.folder) / name
    return path if path is not None and path.is_file() else None


def flatten(config: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Every setting of a config as text, by its path, such as `method.sampler.name`."""
    found: dict[str, str] = {}
    for key, value in config.items():
        where = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value:
            found |= flatten(value, where)
        else:
            found[where] = str(value)
    return found


def _finite(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names and values of what is a finite number."""
    for name, value in values.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield name, float(value)
