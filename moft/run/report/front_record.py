"""What a front says in numbers: points with intervals, hypervolume, indicators, cost; as JSON, CSV and tensors."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from moft.engine.checks.return_values import number_of
from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, interval, resampled
from moft.engine.fronts.hypervolume import hypervolume, hypervolume_method
from moft.engine.training.job_records import TrainingCost
from moft.errors import ConfigError
from moft.interfaces import Indicator
from moft.run.run_settings import ProfileSettings
from moft.types import MAIN, Front, ListValues

SCHEMA = 1
LEVEL = 0.95
FARTHEST = 1e30
"""Size of a value of a reference point; products of ten of them are numbers still."""


@dataclass(frozen=True)
class Measured:
    """Everything that one profile of a policy measured.

    Args:
        front: over the grid; hypervolume and indicators are of these points.
        edges: between every two vertices, for pictures; None when none were asked for.
        base: of the base model, one tradeoff row.
        reference: `[m]`, the hypervolume's reference point.
        samples: of the bootstrap.
        seed: of the bootstrap.
    """

    front: Front
    edges: Front | None
    base: ListValues
    reference: Tensor
    samples: int
    seed: int


@dataclass(frozen=True)
class Cost:
    """What it took to come by a policy.

    Args:
        policy: training, the base model's left out.
        base_seconds: spent on the base model.
    """

    policy: TrainingCost
    base_seconds: float


def reference_point(given: Sequence[float] | None, m: int, setting: str = "reference") -> Tensor:
    """`[m]`, the hypervolume's reference point; the origin when none is given.

    Raises:
        ConfigError: it has another length than there are objectives, or is so far away that no volume could be told.
    """
    if given is None:
        return torch.zeros(m, dtype=torch.float64)
    if len(given) != m:
        raise ConfigError(
            f"[profile.{setting}] has {len(given)} values, {list(given)}; there are {m} objectives, and each needs one."
        )
    if not all(abs(value) <= FARTHEST for value in given):
        raise ConfigError(f"[profile.{setting}] has values beyond {FARTHEST:g}, {list(given)}; a hypervolume would overflow.")
    return torch.tensor(given, dtype=torch.float64)


def validation_reference_point(settings: ProfileSettings, m: int) -> Tensor:
    """`[m]`, the same for the hypervolume by which the best weights are chosen; the origin for another metric than the front's.

    Raises:
        ConfigError: it has another length than there are objectives.
    """
    if settings.validation_reference is not None:
        return reference_point(settings.validation_reference, m, "validation_reference")
    return reference_point(settings.reference if settings.validation_evaluator is None else None, m)


def front_record(
    measured: Measured, indicators: Sequence[Indicator], cost: Cost, notes: Sequence[str], run: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of `front.json`, schema version 1.

    Args:
        measured: the profile.
        indicators: what is said of the front beside its hypervolume.
        cost: of the policy.
        notes: what a reader has to know.
        run: `name`, resolved `config` and identity of the `data` of the run, so that the file can be compared by itself.
    """
    front = measured.front
    counts = resampled(front.measured.values.shape[1], measured.samples, measured.seed)
    volumes = bootstrap_hypervolume(front.measured.values, counts, measured.reference)
    points, weights = front.points, front.tradeoffs.expand(len(front.tradeoffs)).weights
    main = front.main
    separate = None if math.isnan(cost.policy.separate_seconds) else cost.policy.separate_seconds
    return {
        "schema": SCHEMA,
        "objectives": list(front.objectives),
        "metric": front.metric,
        "split": front.split,
        "lists": front.measured.values.shape[1],
        "points": point_records(front, counts),
        "edges": [] if measured.edges is None else point_records(measured.edges, counts),
        "base": _values_record(measured.base, counts)[0],
        "hypervolume": {
            "value": hypervolume(points, measured.reference),
            "ci": interval(volumes, LEVEL).tolist(),
            "reference": measured.reference.tolist(),
            "method": hypervolume_method(len(front.objectives)),
        },
        "main": {
            "name": front.measured.main_name,
            "mean": main.mean().item(),
            "deviation": main.std().item() if len(main) > 1 else 0.0,
        },
        "indicators": {indicator.name: number_of(indicator, points, weights) for indicator in indicators},
        "meanings": {indicator.name: indicator.meaning for indicator in indicators},
        "intervals": f"{LEVEL:.0%} percentile bootstrap over lists, {measured.samples} samples, seed {measured.seed}",
        "cost": {**asdict(cost.policy), "separate_seconds": separate, "base_seconds": cost.base_seconds},
        "notes": [*front.notes, *notes],
        "run": dict(run),
    }


def point_records(front: Front, counts: Tensor) -> list[dict[str, Any]]:
    """Every point of a front: what was asked for, what was measured, and its intervals."""
    tradeoffs = front.tradeoffs.expand(len(front.tradeoffs))
    values = _values_record(front.measured, counts)
    records = [
        {"weights": weights, "betas": betas, **record}
        for weights, betas, record in zip(tradeoffs.weights.tolist(), tradeoffs.betas.tolist(), values, strict=True)
    ]
    if front.served is None:
        return records
    return [{**record, "served": served} for record, served in zip(records, front.served.tolist(), strict=True)]


def main_name(record: Mapping[str, Any]) -> str:
    """What columns call the main values of a front or a comparison; `main` where its file does not say."""
    return str((record.get("main") or {}).get("name", MAIN))


def main_title(record: Mapping[str, Any]) -> str:
    """The same for titles, with a capital."""
    called = main_name(record)
    return "Main objective" if called == MAIN else called[:1].upper() + called[1:]


def front_table(record: Mapping[str, Any]) -> str:
    """The points of a front as CSV, one row each."""
    names = record["objectives"]
    header = [f"weight:{name}" for name in names] + [f"beta:{name}" for name in names]
    header += [column for name in names for column in (name, f"{name}:low", f"{name}:high")] + ["main", "main:low", "main:high"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for point in record["points"]:
        row = [*point["weights"], *point["betas"]]
        for value, (low, high) in zip(point["values"], point["ci"], strict=True):
            row += [value, low, high]
        writer.writerow([*row, point["main"], *point["main_ci"]])
    return text.getvalue()


def list_values(measured: Measured) -> dict[str, Tensor]:
    """Per-list values as tensors, from which runs can be compared list by list."""
    front = measured.front
    tradeoffs = front.tradeoffs.expand(len(front.tradeoffs))
    return {
        "values": front.measured.values,
        "main": front.measured.main,
        "lists": front.measured.lists,
        "weights": tradeoffs.weights,
        "betas": tradeoffs.betas,
        "base.values": measured.base.values,
        "base.main": measured.base.main,
    }


def _values_record(measured: ListValues, counts: Tensor) -> list[dict[str, Any]]:
    """For each tradeoff: means and intervals of the objectives and of the main one."""
    ci = interval(bootstrap_means(measured.values, counts), LEVEL)  # [n, m, 2]
    main_ci = interval(bootstrap_means(measured.main.unsqueeze(-1), counts), LEVEL).squeeze(1)  # [n, 2]
    records = [
        {"values": values, "ci": bounds, "main": main, "main_ci": main_bounds}
        for values, bounds, main, main_bounds in zip(
            measured.values.nanmean(1).tolist(), ci.tolist(), measured.main.nanmean(1).tolist(), main_ci.tolist(), strict=True
        )
    ]
    if not measured.more:
        return records
    means = {name: series.nanmean(1).tolist() for name, series in measured.more.items()}
    return [{**record, "more": {name: mean[row] for name, mean in means.items()}} for row, record in enumerate(records)]
