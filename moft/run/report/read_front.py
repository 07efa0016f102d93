"""Reads a measured front from its folder: `front.json` and `lists.safetensors`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moft.engine.training.jobs.job_records import TrainingCost
from moft.errors import RunError
from moft.files.expected_keys import check_expected, read_expected
from moft.files.safetensors import load_tensors
from moft.run.folder.layout_version import check_schema
from moft.run.report.dials import dials_of, rows_of_dials
from moft.run.report.front_record import SCHEMA, Cost, nouns_of
from moft.types import Nouns, list_mean

RECORD = "front.json"
LISTS = "lists.safetensors"
_NUMBER = (float, None)  # null where nothing was measured
_RANGE = [_NUMBER]
_VALUES = {"values": [_NUMBER], "ci": [_RANGE], "main": _NUMBER, "main_ci": _RANGE, "more?": {"*": _NUMBER}}
_MEANS = {"values": [_NUMBER], "main": _NUMBER}
_POINT = {"weights": [float], "betas": [float], **_VALUES, "dial?": (float, [float]), "served?": [float]}
COST = {"jobs": int, "seconds": float, "separate_seconds": _NUMBER, "parameters": int, "base_seconds": float}
_RECORD = {
    **{"objectives": [str], "metric": str, "split": str, "lists?": int, "nouns": {"list": str, "item": str}},
    **{"points": [_POINT], "edges?": [_POINT], "base?": _VALUES},
    "hypervolume": {"reference": [float], "value?": _NUMBER, "ci?": _RANGE, "method?": str},
    "gains?": [{"objective": str, "point": (int, None), "gain": _NUMBER, "ci": _RANGE, "main": _NUMBER, "main_ci": _RANGE}],
    "main?": {"name?": str, "mean?": _NUMBER, "deviation?": _NUMBER},
    "segments?": [{"name": str, "lists": int, "share": float, "base": _MEANS, "points": [_MEANS]}],
    **{"indicators": {"*": _NUMBER}, "meanings": {"*": str}, "intervals?": str, "cost": COST, "notes": [str]},
    "run": {"name": str, "config": dict, "data": dict},
}
_AGAIN = "`moft train ... --resume` measures the run again, and `moft profile` writes a profile again."
_UNMEASURED = ("values", "main", "base.values", "base.main")
MEANS = 1e-4
"""Largest difference between the mean of a list's values and what `front.json` has, beside rounding."""
_TENSORS = ("values", "main", "lists", "weights", "betas", "base.values", "base.main")


@dataclass(frozen=True)
class MeasuredRun:
    """A folder with a front: a run, or a profile of one by `moft profile`.

    Args:
        path: the folder.
        record: the content of its `front.json`.
        tensors: the content of its `lists.safetensors`; values `[n, lists, m]`, and so on.
    """

    path: Path
    record: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """Name of the folder; for a profile of a run, `RUN/PROFILE`."""
        path = self.path.resolve()
        return f"{path.parents[1].name}/{path.name}" if path.parent.name == "profiles" else path.name

    @property
    def config(self) -> Mapping[str, Any]:
        """Config of the run that was measured."""
        config: Mapping[str, Any] = self.record["run"]["config"]
        return config

    @property
    def data(self) -> Mapping[str, Any]:
        """Identity of the data of the run."""
        data: Mapping[str, Any] = self.record["run"]["data"]
        return data

    @property
    def nouns(self) -> Nouns:
        """What its task calls lists and items."""
        return nouns_of(self.record)

    @property
    def objectives(self) -> list[str]:
        """Names of the objectives, in order."""
        return list(self.record["objectives"])

    @property
    def reference(self) -> list[float]:
        """`[m]`, the reference point of the hypervolume."""
        return list(self.record["hypervolume"]["reference"])


def read_measured(path: Path) -> MeasuredRun:
    """The front in the folder `path`.

    Raises:
        RunError: there is none, it is damaged, or another version of moft wrote it.
    """
    if not path.is_dir():
        kind = "is a file; give the folder of a run" if path.exists() else "there is no such folder"
        raise RunError(f"{path}: {kind}.")
    file = path / RECORD
    if not file.exists():
        if (path / "config.yaml").exists():
            raise RunError(f"{path}: is not finished (it has no {RECORD}); resume it by `moft train ... --resume`.")
        raise RunError(f"{path}: has no measured front ({RECORD}); `moft train` and `moft profile` write one.")
    record = read_record(file)
    tensors = load_tensors(path / LISTS, unmeasured=_UNMEASURED)
    _check_whole(record, tensors, path)
    return MeasuredRun(path, record, tensors)


def read_record(file: Path) -> Mapping[str, Any]:
    """The content of a `front.json`.

    Raises:
        RunError: it is missing or damaged, or another version of moft wrote it.
    """
    content = read_expected(file, {}, _AGAIN)
    check_schema(content.get("schema"), SCHEMA, file)
    check_expected(content, _RECORD, file, _AGAIN)
    record: Mapping[str, Any] = content
    return record


def read_cost(front: Path) -> Cost:
    """The cost of a finished run, from its `front.json`.

    Raises:
        RunError: the file is missing or damaged.
    """
    return cost_of(read_expected(front, {"cost": COST}, _AGAIN)["cost"])


def cost_of(cost: Mapping[str, Any]) -> Cost:
    """A cost as it stands in a file."""
    separate = math.nan if cost["separate_seconds"] is None else cost["separate_seconds"]
    return Cost(TrainingCost(cost["jobs"], cost["seconds"], separate, cost["parameters"]), cost["base_seconds"])


def _check_whole(record: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuses tensors that do not belong to the record."""
    for name in _TENSORS:
        if name not in tensors:
            raise RunError(f"{path / LISTS}: is damaged; it lacks {name!r}.")
    n, m, lists = len(record["points"]), len(record["objectives"]), len(tensors["lists"])
    if _has_faulty_dials(record["points"], m):
        raise RunError(f"{path / RECORD}: is damaged; its points do not have the dials of a grid with {m} objectives. {_AGAIN}")
    if "list_weights" in tensors and list(tensors["list_weights"].shape) != [lists]:
        raise RunError(f"{path / LISTS}: 'list_weights' has shape {list(tensors['list_weights'].shape)}, not [{lists}].")
    shapes = {
        "values": [n, lists, m],
        "main": [n, lists],
        "weights": [n, m],
        "betas": [n, m],
        "base.values": [1, lists, m],
        "base.main": [1, lists],
    }
    for name, shape in shapes.items():
        if list(tensors[name].shape) != shape:
            raise RunError(
                f"{path / LISTS}: {name!r} has shape {list(tensors[name].shape)}, but {RECORD} next to it needs {shape}; "
                "the two files are not from the same front."
            )
    by_name = {"values": [point["values"] for point in record["points"]], "main": [point["main"] for point in record["points"]]}
    by_name |= {name: [point[name] for point in record["points"]] for name in ("weights", "betas")}
    for name, rows in by_name.items():
        told = [[math.nan if value is None else value for value in _listed(row)] for row in rows]
        found = tensors[name].double()
        if name in _UNMEASURED:
            found = list_mean(found.reshape(n, lists, -1), tensors.get("list_weights"))
        is_equal = all(len(row) == found.shape[1] for row in told) and torch.allclose(
            torch.tensor(told).double().reshape(found.shape), found, rtol=MEANS, atol=MEANS, equal_nan=True
        )
        if not is_equal:
            raise RunError(
                f"{path / LISTS}: {name!r} is not what {RECORD} next to it has; one of the two files was changed. {_AGAIN}"
            )


def _has_faulty_dials(points: Sequence[Mapping[str, Any]], m: int) -> bool:
    """Whether a point lacks a dial that others have, a dial has not as many points as others, or a factor is not allowed."""
    rows = rows_of_dials(points)
    factors = [_listed(dial) for dial in dials_of(points)]
    is_whole = len({len(at) for at in rows}) <= 1 and sum(map(len, rows)) == len(points)
    return not is_whole or any(len(row) not in (1, m) or min(row) <= 0 for row in factors)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
