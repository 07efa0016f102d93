"""Reads a measured front from its folder: `front.json` and `lists.safetensors`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from moft.engine.training.jobs.job_records import TrainingCost
from moft.errors import RunError
from moft.files.json import read_json
from moft.files.safetensors import load_tensors
from moft.run.folder.layout_version import check_schema
from moft.run.report.front_record import SCHEMA, Cost, nouns_of
from moft.types import Nouns

RECORD = "front.json"
LISTS = "lists.safetensors"
_FIELDS = ("objectives", "metric", "split", "points", "indicators", "meanings", "notes", "run")
_INNER = {
    "nouns": ("list", "item"),
    "hypervolume": ("reference",),
    "cost": ("jobs", "seconds", "separate_seconds", "parameters", "base_seconds"),
    "run": ("name", "config", "data"),
}
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
    record = read_json(file)
    if not isinstance(record, Mapping):
        raise RunError(f"{file}: is damaged; it holds no fields.")
    check_schema(record.get("schema"), SCHEMA, file)
    lacking = [field for field in _FIELDS if field not in record]
    for name, fields in _INNER.items():
        inner = record.get(name)
        lacking += [f"{name}.{field}" for field in fields if not isinstance(inner, Mapping) or field not in inner]
    if lacking:
        raise RunError(f"{file}: is damaged; it lacks {lacking[0]!r}.")
    tensors = load_tensors(path / LISTS)
    _check_whole(record, tensors, path)
    return MeasuredRun(path, record, tensors)


def read_cost(front: Path) -> Cost:
    """The cost of a finished run, from its `front.json`.

    Raises:
        RunError: the file is missing or damaged.
    """
    record = read_json(front)
    given = record.get("cost") if isinstance(record, Mapping) else None
    cost: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    for field in _INNER["cost"]:
        if field not in cost:
            raise RunError(f"{front}: is damaged; it lacks 'cost.{field}'.")
    separate = math.nan if cost["separate_seconds"] is None else cost["separate_seconds"]
    return Cost(TrainingCost(cost["jobs"], cost["seconds"], separate, cost["parameters"]), cost["base_seconds"])


def _check_whole(record: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuses tensors that do not belong to the record."""
    for name in _TENSORS:
        if name not in tensors:
            raise RunError(f"{path / LISTS}: is damaged; it lacks {name!r}.")
    n, m, lists = len(record["points"]), len(record["objectives"]), len(tensors["lists"])
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
