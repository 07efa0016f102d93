"""Compares entries that were measured at several dials as curves: what each reaches at the same mean main value."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from moft.engine.fronts.bootstrap import interval
from moft.engine.fronts.matched_curves import PLACES, Curve, curve_of, differences_at, shared_main, with_all_lists
from moft.engine.fronts.paired_bootstrap import step_down
from moft.run.comparison.seeds_and_folds import Entry
from moft.run.report.dials import dials_of, rows_of_dials
from moft.run.report.front_record import LEVEL, main_name


def curves_record(entries: Sequence[Entry], counts: Tensor, lists: int) -> dict[str, Any] | None:
    """The curves and their verdicts, as `comparison.json` has them; None unless all entries have several dials and main values.

    Args:
        entries: measured in the same way.
        counts: `[samples, lists]`, from `resampled`.
        lists: the smallest number with a value of an objective.
    """
    if any(len(dials_of(entry.runs[0][0].record["points"])) < 2 for entry in entries):
        return None
    whole = with_all_lists(counts)
    curves = [_curve(entry, whole) for entry in entries]
    if any(curve.main[:, 0].isnan().any() for curve in curves):
        return None
    record = entries[0].runs[0][0].record
    called, names = main_name(record), [entry.name for entry in entries]
    pairs = [(*pair, shared_main(curves[pair[0]], curves[pair[1]])) for pair in combinations(range(len(curves)), 2)]
    drawn = [differences_at(curves[first], curves[second], main) for first, second, main in pairs]  # [1 + samples, places, k]
    verdicts = []
    for k, objective in enumerate([None, *record["objectives"]]):
        scale = max(float(curve.heights[..., k].abs().max()) for curve in curves)
        family = torch.cat([each[..., k] for each in drawn], dim=1).double()  # [1 + samples, h]
        steps = iter(step_down(family[0], family[1:], torch.full_like(family[0], scale), lists, LEVEL))
        for first, second, main in pairs:
            found = [next(steps) for _ in range(len(main))]
            what = {"measure": "hypervolume" if objective is None else "best", "objective": objective}
            verdicts.append(what | _verdict(names[first], names[second], main.tolist(), found, called))
    return {
        "entries": [_described(entry, curve) for entry, curve in zip(entries, curves, strict=True)],
        "verdicts": verdicts,
        "adjustment": f"Verdicts at the same mean {called}, at {LEVEL:.0%}, adjusted for all pairs and values (step-down max-t)",
    }


def _curve(entry: Entry, counts: Tensor) -> Curve:
    """The curve of an entry, the mean over its seeds."""
    weights, rows = entry.weights(), rows_of_dials(entry.runs[0][0].record["points"])
    reference = torch.tensor(entry.runs[0][0].reference, dtype=torch.float64)
    by_seed = [
        curve_of([(values[at], main[at]) for at in rows], counts, reference, weights)
        for values, main in zip(entry.pooled("values"), entry.pooled("main"), strict=True)
    ]
    main, heights = (torch.stack([getattr(curve, name) for curve in by_seed]).mean(0) for name in ("main", "heights"))
    return Curve(main, heights)


def _described(entry: Entry, curve: Curve) -> dict[str, Any]:
    """The points of a curve, with intervals."""
    main_ci, ci = (interval(each[:, 1:].movedim(1, 0), LEVEL).tolist() for each in (curve.main, curve.heights))
    points = []
    for at, dial in enumerate(dials_of(entry.runs[0][0].record["points"])):
        volume, *best = curve.heights[at, 0].tolist()
        point = {"dial": dial, "main": curve.main[at, 0].item(), "main_ci": main_ci[at]}
        points.append(point | {"hypervolume": volume, "hypervolume_ci": ci[at][0], "best": best, "best_ci": ci[at][1:]})
    return {"name": entry.name, "points": points}


def _verdict(
    first: str, second: str, main: list[float], found: Sequence[tuple[float, float, float, float, bool]], called: str
) -> dict[str, Any]:
    """The differences of one pair in one measure at all main values, and what they say in words."""
    above, below = (sum(each[4] and side * each[0] > 0 for each in found) for side in (1, -1))
    return {
        "first": first,
        "second": second,
        "main": main,
        "difference": [each[0] for each in found],
        "ci": [[each[1], each[2]] for each in found],
        "p": [each[3] for each in found],
        "is_significant": [each[4] for each in found],
        "above": above,
        "below": below,
        "verdict": _words(first, second, above, below, main, called),
    }


def _words(first: str, second: str, above: int, below: int, main: Sequence[float], called: str) -> str:
    if not main:
        return f"{first} and {second} reach no mean {called} in common"
    places = f"{PLACES} values of mean {called} from {main[0]:.4g} to {main[-1]:.4g}"
    if above and below:
        return f"{first} above {second} at {above} and below at {below} of {places}"
    if above or below:
        better, worse = (first, second) if above else (second, first)
        return f"{better} above {worse} at {above or below} of {places}"
    return f"{first} and {second} not significantly different at {places}"
