"""The numbers of a comparison, as `comparison.json` has them: a row for each entry and a verdict for each pair."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from moft.engine.fronts.attainment_surfaces import attainment_surfaces
from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, interval, resampled
from moft.engine.fronts.hypervolume import hypervolume, hypervolume_error, hypervolume_method
from moft.engine.fronts.paired_bootstrap import Difference, paired_differences
from moft.run.comparison.comparison_table import number
from moft.run.comparison.main_curves import curves_record
from moft.run.comparison.seeds_and_folds import Entry
from moft.run.report.dials import dial_text, dials_of
from moft.run.report.front_record import LEVEL, intervals_text, main_name
from moft.types import list_mean

SCHEMA = 2
BOOTSTRAP_SEED = 0
MEASURES = ("hypervolume", "main")
SAME = 1e-9  # base models whose means differ by no more are the same


def comparison_record(entries: Sequence[Entry], *, samples: int) -> dict[str, Any]:
    """The content of `comparison.json`, schema version 2.

    Args:
        entries: measured in the same way.
        samples: of the bootstrap over lists; the same lists are drawn for every entry.
    """
    first = entries[0].runs[0]
    record, lists = first[0].record, sum(len(run.tensors["lists"]) for run in first)
    counts, reference = resampled(lists, samples, BOOTSTRAP_SEED), torch.tensor(first[0].reference, dtype=torch.float64)
    rows, samples_of_rows = [], []
    for entry in entries:
        row, row_samples = _measured(entry, counts, reference)
        rows.append(row)
        samples_of_rows.append(row_samples)
    estimates = torch.tensor([[_value(row[measure]) for row in rows] for measure in MEASURES], dtype=torch.float64)
    fewest = _fewest_lists(entries[0])
    found = paired_differences(estimates, torch.stack(samples_of_rows, dim=2), fewest, LEVEL)
    curves = curves_record(entries, counts, fewest)
    names = [entry.name for entry in entries]
    verdicts = [_verdict(difference, names) for difference in found if not math.isnan(difference.p)]
    return {
        "schema": SCHEMA,
        "objectives": list(record["objectives"]),
        "metric": record["metric"],
        "split": record["split"],
        "lists": lists,
        "nouns": dict(record["nouns"]),
        "main": {"name": main_name(record)},
        "weights": first[0].tensors["weights"].tolist(),
        "reference": reference.tolist(),
        "method": hypervolume_method(len(first[0].tensors["weights"]), len(reference), samples, _largest_error(rows)),
        "intervals": intervals_text(first[0].nouns, samples, BOOTSTRAP_SEED),
        "entries": rows,
        "verdicts": verdicts,
        "adjustment": f"Verdicts at {LEVEL:.0%}, adjusted for all {len(verdicts)} comparisons (step-down max-t)",
        "notes": _notes(entries, rows),
        **({} if curves is None else {"curves": curves}),
    }


def _fewest_lists(entry: Entry) -> int:
    """The smallest number of lists with a value, over the objectives and the main one; those without any do not count."""
    whole = torch.cat([entry.pooled("values")[0], entry.pooled("main")[0].unsqueeze(-1)], dim=2)  # [n, lists, m + 1]
    counts = (~whole.isnan()).all(0).sum(0)
    return int(counts[counts > 0].min()) if counts.any() else 0


def _largest_error(rows: Sequence[Mapping[str, Any]]) -> float:
    """The largest standard error of a hypervolume, relative to its value."""
    volumes = [row["hypervolume"] for row in rows]
    return max((volume["standard_error"] / volume["value"] for volume in volumes if volume["value"] > 0), default=0.0)


def _measured(entry: Entry, counts: Tensor, reference: Tensor) -> tuple[dict[str, Any], Tensor]:
    """The row of one entry, and its bootstrap samples `[samples, measures]`; both are means over its seeds."""
    values, mains, weights = entry.pooled("values"), entry.pooled("main"), entry.weights()
    base_values, base_main = entry.pooled("base.values")[0], entry.pooled("base.main")[0]
    fronts = [list_mean(value.double(), weights) for value in values]  # [seeds], each [n, m]
    means = [list_mean(main.double(), weights) for main in mains]  # [seeds], each [n]
    volumes = torch.tensor([hypervolume(front, reference) for front in fronts], dtype=torch.float64)
    errors = torch.tensor([hypervolume_error(front, reference) for front in fronts], dtype=torch.float64)
    averages = torch.stack(means).mean(1)  # [seeds]
    drawn_volumes = torch.stack([bootstrap_hypervolume(value, counts, reference, weights) for value in values]).mean(0)
    drawn_means = torch.stack(
        [bootstrap_means(main.unsqueeze(-1), counts, weights)[..., 0] for main in mains]
    )  # [seeds, samples, n]
    row: dict[str, Any] = {
        "name": entry.name,
        "runs": [str(run.path) for run in entry.all_runs],
        "seeds": list(entry.seeds),
        "betas": _betas(entry),
        "hypervolume": _summary(volumes, drawn_volumes) | {"standard_error": errors.mean().item()},
        "main": _summary(averages, drawn_means.mean((0, 2)))
        | {"deviation": torch.stack([_deviation(mean) for mean in means]).mean().item()},
        "indicators": _indicators(entry),
        "cost": _cost(entry),
        "points": [_points(value, main, counts, weights) for value, main in zip(values, mains, strict=True)],
        "base": _points(base_values, base_main, counts, weights)[0],
    }
    if len(fronts) > 1:
        row["attainment"] = _attainment(fronts)
    return row, torch.stack([drawn_volumes, drawn_means.mean((0, 2))], dim=1)


def _summary(by_seed: Tensor, drawn: Tensor) -> dict[str, Any]:
    """Mean over the seeds with its interval over the lists, and the value of each seed."""
    return {
        "value": by_seed.mean().item(),
        "ci": interval(drawn, LEVEL).tolist(),
        "by_seed": by_seed.tolist(),
        "deviation_over_seeds": _deviation(by_seed).item() if len(by_seed) > 1 else None,
    }


def _value(summary: Mapping[str, Any]) -> float:
    value: float = summary["value"]
    return value


def _deviation(values: Tensor) -> Tensor:
    """`[]`, the standard deviation; zero of a single value."""
    return values.std() if len(values) > 1 else values.sum() * 0


def _points(values: Tensor, main: Tensor, counts: Tensor, weights: Tensor | None) -> list[dict[str, Any]]:
    """Each point of a grid: means over the lists, with intervals."""
    whole = torch.cat([values, main.unsqueeze(-1)], dim=2)  # [n, lists, m + 1]
    means = list_mean(whole.double(), weights).tolist()
    bounds = interval(bootstrap_means(whole, counts, weights), LEVEL).tolist()
    return [
        {"values": mean[:-1], "ci": ends[:-1], "main": mean[-1], "main_ci": ends[-1]}
        for mean, ends in zip(means, bounds, strict=True)
    ]


def _betas(entry: Entry) -> list[float] | None:
    """`[m]`, of several dials those at a dial of 1; None if the points have different ones."""
    run = entry.runs[0][0]
    betas, points = run.tensors["betas"], run.record["points"]
    if len(dials_of(points)) > 1:
        factors = [each if isinstance(each, list) else [each] * betas.shape[1] for each in (point["dial"] for point in points)]
        whole = (betas.double() / torch.tensor(factors, dtype=torch.float64)).tolist()
        betas = torch.tensor([[float(f"{value:.6g}") for value in row] for row in whole], dtype=torch.float64)
    return betas[0].tolist() if (betas == betas[0]).all() else None


def _indicators(entry: Entry) -> dict[str, float | None]:
    """Means over the entry's runs; None where a run lacks the indicator."""
    runs = entry.all_runs
    names = {name: None for run in runs for name in run.record["indicators"]}
    found: dict[str, float | None] = {}
    for name in names:
        values = [run.record["indicators"].get(name) for run in runs]
        found[name] = None if None in values else sum(values) / len(values)
    return found


def _cost(entry: Entry) -> dict[str, float | None]:
    """Mean cost of the entry's runs; None where a run does not know it."""
    found: dict[str, float | None] = {}
    for key in ("jobs", "seconds", "separate_seconds", "parameters", "base_seconds"):
        values = [run.record["cost"][key] for run in entry.all_runs]
        found[key] = None if None in values else sum(values) / len(values)
    return found


def _attainment(fronts: Sequence[Tensor]) -> list[dict[str, Any]]:
    """For each pair of objectives, the attainment surfaces of the fronts projected on these two."""
    surfaces = []
    for pair in combinations(range(fronts[0].shape[1]), 2):
        found = attainment_surfaces([front[:, pair] for front in fronts])
        surfaces.append({"objectives": list(pair), **{name: surface.tolist() for name, surface in found.items()}})
    return surfaces


def _verdict(difference: Difference, names: Sequence[str]) -> dict[str, Any]:
    first, second = names[difference.first], names[difference.second]
    words = f"{first} and {second} not significantly different"
    if difference.is_significant:
        words = f"{first} above {second}" if difference.value > 0 else f"{second} above {first}"
    return {
        "measure": MEASURES[difference.measure],
        "first": first,
        "second": second,
        "difference": difference.value,
        "ci": [difference.low, difference.high] if math.isfinite(difference.low) else None,
        "p": difference.p,
        "is_significant": difference.is_significant,
        "verdict": words,
    }


def _notes(entries: Sequence[Entry], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Notes for the reader: differences of base models, betas and indicators, and the notes of the fronts."""
    notes = []
    other = _first_other_base(rows)
    if other is not None:
        notes.append(
            f"Base models differ: {rows[0]['name']} and {rows[other]['name']} did not start from the same scores, "
            "so not all of their difference is due to the methods."
        )
    if len({str(row["betas"]) for row in rows}) > 1:
        betas = "; ".join(f"{row['name']} {_beta_words(row['betas'])}" for row in rows)
        notes.append(f"Betas differ: {betas}.")
    dials = [" ".join(map(dial_text, dials_of(entry.runs[0][0].record["points"]))) for entry in entries]
    if any(" " in text for text in dials) and len(set(dials)) > 1:
        words = "; ".join(f"{row['name']} has {text}" for row, text in zip(rows, dials, strict=True))
        notes.append(f"Dials differ: {words}.")
    meanings: dict[str, dict[str, str]] = {}
    for entry in entries:
        for run in entry.all_runs:
            for name, meaning in run.record["meanings"].items():
                meanings.setdefault(name, {}).setdefault(meaning, entry.name)
    for name, entry_of in meanings.items():
        if len(entry_of) > 1:
            words = "; ".join(f"for {entry}, {meaning}" for meaning, entry in entry_of.items())
            notes.append(f"The indicator {name!r} is not the same for all: {words}.")
    of_fronts: dict[str, dict[str, None]] = {}
    for entry in entries:
        for note in (note for run in entry.all_runs for note in run.record["notes"]):
            of_fronts.setdefault(note, {})[entry.name] = None
    return notes + [note if len(owners) == len(entries) else f"{', '.join(owners)}: {note}" for note, owners in of_fronts.items()]


def _first_other_base(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """The first row whose base model has other values than that of the first row."""
    bases = torch.tensor([row["base"]["values"] for row in rows], dtype=torch.float64).nan_to_num()
    differing = ((bases - bases[0]).abs() > SAME).any(1).nonzero().flatten()
    return int(differing[0]) if len(differing) else None


def _beta_words(betas: Sequence[float] | None) -> str:
    if betas is None:
        return "has several"
    same = len(set(betas)) == 1
    return f"has {number(betas[0], 'g')}" if same else f"has ({', '.join(number(value, 'g') for value in betas)})"
