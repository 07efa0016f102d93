"""Writes all files of a measured front into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from moft.files.atomic_write import atomic_write
from moft.files.json import write_json
from moft.files.safetensors import save_tensors
from moft.run.folder.layout_version import read_versions
from moft.run.folder.run_folder import RunFolder
from moft.run.report.front_record import Cost, Measured, front_record, front_table, list_values
from moft.run.report.html_page import write_report
from moft.run.run_settings import ProfileSettings
from moft.secret_values import redacted


def write_results(
    measured: Measured,
    settings: ProfileSettings,
    target: Path,
    *,
    cost: Cost,
    notes: Sequence[str],
    run: RunFolder,
    data: Mapping[str, Any] | None = None,
    choices: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Mapping[str, Any]:
    """Writes the front (JSON, CSV, picture), the report and the values of every list into `target`.

    `front.json` marks a finished run. An older one is removed first, and the new one is written last, so that a folder never
    looks finished while other files are missing or are those of an older front.

    Args:
        measured: the front.
        settings: that it was measured with.
        target: the folder.
        cost: of training.
        notes: for readers of the results.
        run: that was measured.
        data: identity of the data that it was measured on; None for those that the run recorded.
        choices: of the run by name, measured by the same metric, for report and picture.

    Returns: the content of `front.json`.
    """
    data = read_versions(run.versions).get("data", {}) if data is None else redacted(data)
    origin = {"name": run.path.resolve().name, "config": run.resolved_config(), "data": data}
    record = front_record(measured, settings.indicators, cost, notes, origin)
    target.mkdir(parents=True, exist_ok=True)
    (target / "front.json").unlink(missing_ok=True)
    atomic_write(target / "front.csv", front_table(record).encode())
    save_tensors(target / "lists.safetensors", list_values(measured))
    write_report(record, run, target, choices)
    write_json(target / "front.json", record)
    return record
