"""Writes all files of a measured front into a folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from moft.engine.training.job_records import TrainingCost
from moft.errors import RunError
from moft.files.atomic_write import atomic_write
from moft.files.json import read_json, write_json
from moft.files.safetensors import save_tensors
from moft.run.folder.run_folder import RunFolder
from moft.run.report.front_record import (
    Cost,
    Measured,
    front_record,
    front_table,
    list_values,
)
from moft.run.report.html_page import write_report
from moft.run.run_settings import ProfileSettings


def write_results(
    measured: Measured, settings: ProfileSettings, target: Path, *, cost: Cost, notes: Sequence[str], run: RunFolder
) -> Mapping[str, Any]:
    """Writes the front (JSON, CSV, picture), the report and the values of every list into `target`.

    Returns: the content of `front.json`.
    """
    data = read_json(run.versions)["data"]
    origin = {"name": run.path.resolve().name, "config": run.resolved_config(), "data": data}
    record = front_record(measured, settings.indicators, cost, notes, origin)
    target.mkdir(parents=True, exist_ok=True)
    write_json(target / "front.json", record)
    atomic_write(target / "front.csv", front_table(record).encode())
    save_tensors(target / "lists.safetensors", list_values(measured))
    write_report(record, run, target)
    return record


def cost_of(folder: RunFolder) -> Cost:
    """The cost of a finished run, read from its front.

    Raises:
        RunError: the front is damaged.
    """
    record = read_json(folder.front)
    given = record.get("cost") if isinstance(record, Mapping) else None
    found: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    for field in ("jobs", "seconds", "separate_seconds", "parameters", "base_seconds"):
        if field not in found:
            raise RunError(f"{folder.front}: is damaged; it lacks 'cost.{field}'.")
    separate = math.nan if found["separate_seconds"] is None else found["separate_seconds"]
    return Cost(TrainingCost(found["jobs"], found["seconds"], separate, found["parameters"]), found["base_seconds"])
