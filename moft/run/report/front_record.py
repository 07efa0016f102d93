"""The numbers of a front (points with intervals, hypervolume, indicators, cost) as JSON, CSV and tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from moft.engine.checks.return_values import checked_number
from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, interval, resampled
from moft.engine.fronts.hypervolume import hypervolume, hypervolume_error, hypervolume_method
from moft.engine.training.jobs.job_records import TrainingCost
from moft.errors import ConfigError
from moft.files.csv import csv_text
from moft.interfaces import Indicator
from moft.run.report.dials import dial_text, dials_as_json
from moft.run.report.front_gains import gain_records
from moft.run.run_settings import ProfileSettings
from moft.types import MAIN, Front, ListValues, Nouns, list_mean

SCHEMA = 2
LEVEL = 0.95
MAX_REFERENCE = 1e30
"""Largest absolute value in a reference point; products of ten such values are still finite."""


@dataclass(frozen=True)
class Measured:
    """Everything that was measured of a policy.

    Args:
        front: over the grid; hypervolume and indicators are computed from these points.
        edges: points between every two vertices, for pictures; None if there are none.
        base: values of the base model, one tradeoff row.
        reference: `[m]`, the reference point of the hypervolume.
        samples: number of bootstrap samples.
        seed: seed of the bootstrap.
    """

    front: Front
    edges: Front | None
    base: ListValues
    reference: Tensor
    samples: int
    seed: int


@dataclass(frozen=True)
class Cost:
    """The cost of training a policy.

    Args:
        policy: training, without the base model.
        base_seconds: training the base model.
    """

    policy: TrainingCost
    base_seconds: float


def reference_point(given: Sequence[float] | None, m: int, setting: str = "reference") -> Tensor:
    """`[m]`, the reference point of the hypervolume; the origin if none is given.

    Raises:
        ConfigError: its length is not the number of objectives, or a value is too large.
    """
    if given is None:
        return torch.zeros(m, dtype=torch.float64)
    if len(given) != m:
        raise ConfigError(
            f"[profile.{setting}] has {len(given)} values, {list(given)}, for {m} objectives; give one value for each objective."
        )
    if not all(abs(value) <= MAX_REFERENCE for value in given):
        raise ConfigError(
            f"[profile.{setting}] has values beyond {MAX_REFERENCE:g}, {list(given)}; a hypervolume would overflow."
        )
    return torch.tensor(given, dtype=torch.float64)


def validation_reference_point(settings: ProfileSettings, m: int) -> Tensor:
    """`[m]`, the reference point of the hypervolume that selects the best weights during training.

    It is `validation_reference`; without one, `reference`, or the origin if there is a `validation_evaluator`.

    Raises:
        ConfigError: its length is not the number of objectives.
    """
    if settings.validation_reference is not None:
        return reference_point(settings.validation_reference, m, "validation_reference")
    return reference_point(settings.reference if settings.validation_evaluator is None else None, m)


def front_record(
    measured: Measured, indicators: Sequence[Indicator], cost: Cost, notes: Sequence[str], run: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of `front.json`, schema version 2.

    Args:
        measured: the profile.
        indicators: to be computed from the front.
        cost: of the policy.
        notes: for the reader.
        run: `name`, resolved `config` and identity of the `data` of the run, so that `moft compare` needs no other file.
    """
    front = measured.front
    counts = resampled(front.measured.values.shape[1], measured.samples, measured.seed)
    volumes = bootstrap_hypervolume(front.measured.values, counts, measured.reference, front.measured.weights)
    volume, error = hypervolume(front.points, measured.reference), hypervolume_error(front.points, measured.reference)
    points, weights = front.points, front.tradeoffs.expand(len(front.tradeoffs)).weights
    main = front.main
    separate = None if math.isnan(cost.policy.separate_seconds) else cost.policy.separate_seconds
    return {
        "schema": SCHEMA,
        "objectives": list(front.objectives),
        "metric": front.metric,
        "split": front.split,
        "lists": front.measured.values.shape[1],
        "nouns": asdict(front.nouns),
        "points": point_records(front, counts),
        "edges": [] if measured.edges is None else point_records(measured.edges, counts),
        "base": _values_record(measured.base, counts)[0],
        "hypervolume": {
            "value": volume,
            "ci": interval(volumes, LEVEL).tolist(),
            "reference": measured.reference.tolist(),
            "method": hypervolume_method(len(points), points.shape[1], measured.samples, error / volume if volume else 0.0),
            "standard_error": error,
        },
        "main": {
            "name": front.measured.main_name,
            "mean": main.mean().item(),
            "deviation": main.std().item() if len(main) > 1 else 0.0,
        },
        "gains": gain_records(measured.front, measured.base, counts, LEVEL),
        "indicators": {indicator.name: checked_number(indicator, points, weights) for indicator in indicators},
        "meanings": {indicator.name: indicator.meaning for indicator in indicators},
        "intervals": intervals_text(front.nouns, measured.samples, measured.seed),
        "cost": {**asdict(cost.policy), "separate_seconds": separate, "base_seconds": cost.base_seconds},
        "notes": [*front.notes, *notes],
        "run": dict(run),
        **({"segments": segment_records(measured)} if front.measured.segments else {}),
    }


def segment_records(measured: Measured) -> list[dict[str, Any]]:
    """The means of each segment of the lists: of the base model and of every point, without intervals."""
    front, names, records = measured.front, list(measured.front.measured.segments), []
    weights = torch.ones(len(names)) if front.measured.weights is None else front.measured.weights
    for segment in sorted(set(names), key=natural_key):
        inside = torch.tensor([name == segment for name in names])
        base, points = (
            [
                {"values": values, "main": main}
                for values, main in zip(
                    list_mean(each.values[:, inside], weights[inside]).tolist(),
                    list_mean(each.main[:, inside], weights[inside]).tolist(),
                    strict=True,
                )
            ]
            for each in (measured.base, front.measured)
        )
        share = (weights[inside].sum() / weights.sum()).item()
        records.append({"name": segment, "lists": int(inside.sum()), "share": share, "base": base[0], "points": points})
    return records


def natural_key(text: str) -> tuple[int, float, str]:
    """Sorts numbers by their value, before other texts."""
    try:
        return (0, float(text), "")
    except ValueError:
        return (1, 0.0, text)


def point_records(front: Front, counts: Tensor) -> list[dict[str, Any]]:
    """Every point of a front: its tradeoff, values and intervals."""
    tradeoffs = front.tradeoffs.expand(len(front.tradeoffs))
    values = _values_record(front.measured, counts)
    records = [
        {"weights": weights, "betas": betas, **record}
        for weights, betas, record in zip(tradeoffs.weights.tolist(), tradeoffs.betas.tolist(), values, strict=True)
    ]
    if front.dials is not None:
        records = [{**record, "dial": dial} for record, dial in zip(records, dials_as_json(front.dials), strict=True)]
    if front.served is None:
        return records
    return [{**record, "served": served} for record, served in zip(records, front.served.tolist(), strict=True)]


def main_name(record: Mapping[str, Any]) -> str:
    """The name of the main values of a front or a comparison in columns; `main` if its file has none."""
    return str((record.get("main") or {}).get("name", MAIN))


def main_title(record: Mapping[str, Any]) -> str:
    """The same for titles, capitalised."""
    called = main_name(record)
    return "Main objective" if called == MAIN else called[:1].upper() + called[1:]


def intervals_text(nouns: Nouns, samples: int, seed: int) -> str:
    """How intervals were computed, in words; the first word is the level."""
    return f"{LEVEL:.0%} percentile bootstrap over {nouns.lists}, {samples} samples, seed {seed}"


def nouns_of(record: Mapping[str, Any]) -> Nouns:
    """What the task of a front or a comparison calls its lists and items."""
    return Nouns(record["nouns"]["list"], record["nouns"]["item"])


def front_table(record: Mapping[str, Any]) -> str:
    """The points of a front as CSV, one row each, and a last row for the base model.

    The main columns are empty where there is no main objective. Further values of the evaluator are the last columns, before
    that of the dial. The base model has no weights and betas, which are NaN, and an infinite dial.
    """
    names = record["objectives"]
    header = [f"weight:{name}" for name in names] + [f"beta:{name}" for name in names]
    header += [column for name in names for column in (name, f"{name}:low", f"{name}:high")] + ["main", "main:low", "main:high"]
    more = list(record["points"][0].get("more", {}))
    has_dials = "dial" in record["points"][0]
    rows = [[*header, *more, *(["dial"] if has_dials else [])]]
    nothing = [math.nan] * len(names)
    base = [{"weights": nothing, "betas": nothing, "dial": math.inf, **record["base"]}] if "base" in record else []
    for point in [*record["points"], *base]:
        row = [*point["weights"], *point["betas"]]
        for value, (low, high) in zip(point["values"], point["ci"], strict=True):
            row += [value, low, high]
        others = [point["main"], *point["main_ci"], *(point["more"][name] for name in more)]
        row += ["" if value is None or math.isnan(value) else value for value in others]
        rows.append([*row, *([dial_text(point["dial"])] if has_dials else [])])
    return csv_text(rows)


def list_values(measured: Measured) -> dict[str, Tensor]:
    """The values of every list as tensors, so that runs can be compared list by list."""
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
        **({} if front.measured.weights is None else {"list_weights": front.measured.weights}),
    }


def _values_record(measured: ListValues, counts: Tensor) -> list[dict[str, Any]]:
    """For each tradeoff, means and intervals of the objectives and the main one."""
    ci = interval(bootstrap_means(measured.values, counts, measured.weights), LEVEL)  # [n, m, 2]
    main_ci = interval(bootstrap_means(measured.main.unsqueeze(-1), counts, measured.weights), LEVEL).squeeze(1)  # [n, 2]
    records = [
        {"values": values, "ci": bounds, "main": main, "main_ci": main_bounds}
        for values, bounds, main, main_bounds in zip(
            measured.mean(measured.values).tolist(),
            ci.tolist(),
            measured.mean(measured.main).tolist(),
            main_ci.tolist(),
            strict=True,
        )
    ]
    if not measured.more:
        return records
    means = {name: measured.mean(series).tolist() for name, series in measured.more.items()}
    return [{**record, "more": {name: mean[row] for name, mean in means.items()}} for row, record in enumerate(records)]
