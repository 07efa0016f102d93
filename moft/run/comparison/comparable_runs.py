"""Checks that runs were measured in the same way, so that their numbers can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from moft.errors import RunError
from moft.run.folder.resume import differences
from moft.run.report.dials import dial_text, dials_of
from moft.run.report.read_front import MeasuredRun

GRID = 1e-6  # weights closer than this are the same: grids are float32
_HASH = re.compile(r"[0-9a-f]{40,}")
_LIST_FIELDS = ("splits", "dealt")
"""Fields of a task's identity that say which lists there are."""


def check_protocol(runs: Sequence[MeasuredRun]) -> None:
    """Checks that all runs were measured on the same lists, objectives, grid and reference point.

    Raises:
        RunError: two were not; the message names them and the first difference.
    """
    for run in runs[1:]:
        _check_words(runs[0], run)
        check_lists(runs[0], run)
        _check_grid(runs[0], run)


def check_measure(first: MeasuredRun, run: MeasuredRun) -> None:
    """Checks that two runs were measured in the same way; their lists may differ.

    Raises:
        RunError: they were not.
    """
    _check_words(first, run)
    there, here = (_without(side.data, (*_LIST_FIELDS, "base")) for side in (first, run))
    _check_equal(first, run, "the data differ", there, here)
    _check_grid(first, run)


def check_lists(first: MeasuredRun, run: MeasuredRun) -> None:
    """Checks that two runs were measured on the same lists.

    Raises:
        RunError: they were not.
    """
    there, here = (_without(side.data, ("base",)) for side in (first, run))
    _check_equal(first, run, "the data differ", there, here)
    if not torch.equal(first.tensors["lists"], run.tensors["lists"]):
        count, other = len(first.tensors["lists"]), len(run.tensors["lists"])
        lists = run.nouns.lists
        raise RunError(
            f"{run.path}: was measured on other {lists} of its {run.record['split']} split than {first.path} "
            f"({count} there, {other} here); runs can only be compared on the same {lists}."
        )


def check_disjoint(first: MeasuredRun, run: MeasuredRun, where: str) -> None:
    """Checks that two runs whose lists are to be pooled have no list in common.

    Args:
        where: the difference between the two, in words, such as `task.fold=0 and task.fold=1`.

    Raises:
        RunError: their lists are, or may be, the same; or the folds were made in different ways.
    """
    split, lists = first.record["split"], run.nouns.lists
    if split == "train":
        raise RunError(f"{first.path} and {run.path}: training splits of {where} overlap; pool the test or validation split.")
    dealt = [side.data.get("dealt") for side in (first, run)]
    if all(isinstance(side, Mapping) for side in dealt):
        there, here = (_without(dict(side or {}), ("fold",)) for side in dealt)
        _check_equal(first, run, "the data differ", {"dealt": there}, {"dealt": here})
        is_disjoint = dealt[0] != dealt[1]
    else:
        splits = [(side.data.get("splits") or {}).get(split) for side in (first, run)]
        is_disjoint = dealt == [None, None] and splits[0] is not None and splits[0] != splits[1]
    if not is_disjoint:
        raise RunError(
            f"{first.path} and {run.path}: {where} measured the same {split} {lists}, which would count twice; "
            f"--pool is for a setting that selects {lists}, such as task.fold."
        )


def short_json(value: Any) -> str:
    """A JSON value on one line, content hashes by their first characters."""
    return _HASH.sub(lambda found: found.group()[:12], json.dumps(value, ensure_ascii=False))


def _check_equal(first: MeasuredRun, run: MeasuredRun, what: str, there: Any, here: Any) -> None:
    """Refuses the run, with the first difference of two JSON values; `what` begins the sentence."""
    found = next(differences(there, here), None)
    if found is not None:
        path, before, after = found
        place = f"{path}: " if path else ""
        raise RunError(
            f"{run.path}: {what} from {first.path}'s ({place}{short_json(before)} there, {short_json(after)} here); "
            "only runs that were measured in the same way can be compared."
        )


def _check_words(first: MeasuredRun, run: MeasuredRun) -> None:
    """Refuses other objectives, splits, conventions and reference points."""
    _check_equal(first, run, "the objectives differ", first.objectives, run.objectives)
    for field in ("split", "metric"):
        _check_equal(first, run, f"the {field} differs", first.record[field], run.record[field])
    _check_equal(first, run, "the reference point differs", first.reference, run.reference)


def _check_grid(first: MeasuredRun, run: MeasuredRun) -> None:
    there, here = first.tensors["weights"], run.tensors["weights"]
    dials = [dials_of(side.record["points"]) for side in (first, run)]
    counts = [max(1, len(each)) for each in dials]
    if counts[0] != counts[1]:
        words = " ".join(f"--dial {dial_text(dial, ',')}" for dial in max(dials, key=len))
        raise RunError(
            f"{run.path}: was measured at {_dials(counts[1])}, {first.path} at {_dials(counts[0])}, and more points reach a "
            f"larger hypervolume; run `moft profile RUN {words}` and compare the folder that it writes."
        )
    if len(there) != len(here):
        count, other = (len(side) // counts[0] for side in (there, here))
        raise RunError(
            f"{run.path}: the grid has {other} points, that of {first.path} has {count}, and more points reach a "
            f"larger hypervolume; run `moft profile RUN --points {count}` and compare the folder that it writes."
        )
    apart = (there - here).abs().amax(1)
    if apart.max() > GRID:
        row = int((apart > GRID).nonzero()[0])
        before, after = ([round(weight, 4) for weight in side[row].tolist()] for side in (there, here))
        raise RunError(
            f"{run.path}: the grid differs from that of {first.path} (point {row + 1} has weights {before} there, {after} here); "
            "hypervolumes can only be compared over the same weights: give both runs the same profile.grid."
        )


def _dials(count: int) -> str:
    return f"{count} dial{'' if count == 1 else 's'}"


def _without(content: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in keys}
