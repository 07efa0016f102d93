"""Groups runs into the entries of a comparison: averages over seeds, pools folds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moft.errors import ConfigError, MoftError, RunError
from moft.run.comparison.comparable_runs import (
    check_disjoint,
    check_lists,
    check_measure,
    check_protocol,
    short_json,
)
from moft.run.comparison.run_labels import entry_names, folder_names
from moft.run.folder.resume import differences
from moft.run.report.read_front import MeasuredRun

SEED = "seed"
_NOTHING = object()


@dataclass(frozen=True)
class Entry:
    """One row of a comparison: a run, or several over seeds and folds.

    Args:
        name: its label.
        seeds: the seed of each row of `runs`.
        runs: for each seed, the runs whose lists are pooled, in the same order for every entry.
    """

    name: str
    seeds: tuple[Any, ...]
    runs: tuple[tuple[MeasuredRun, ...], ...]

    @property
    def all_runs(self) -> list[MeasuredRun]:
        """Its runs, seed by seed."""
        return [run for row in self.runs for run in row]

    def pooled(self, tensor: str) -> list[Tensor]:
        """For each seed, one tensor `[n, lists, ...]`: those of its runs, joined along the lists."""
        return [torch.cat([run.tensors[tensor] for run in row], dim=1) for row in self.runs]

    def weights(self) -> Tensor | None:
        """`[lists]`, how much each of the pooled lists counts; None where all count the same."""
        tensors = [run.tensors for run in self.runs[0]]
        if not any("list_weights" in each for each in tensors):
            return None
        return torch.cat([each.get("list_weights", torch.ones(len(each["lists"]))) for each in tensors])


def entries_of(runs: Sequence[MeasuredRun], *, over_seeds: bool = False, pool: str | None = None) -> list[Entry]:
    """The runs as entries, in the order in which they are first given.

    Args:
        runs: at least two.
        over_seeds: whether runs that differ only in their seed are one entry.
        pool: path of a setting, such as `task.fold`; runs that differ only in it are one entry with all their lists.

    Raises:
        ConfigError: there are fewer than two runs, or there is nothing to group.
        RunError: runs were not measured in the same way, one is given twice, or an entry lacks a seed or fold of another.
    """
    _check_enough(runs)
    if pool is None:
        check_protocol(runs)
    else:
        for run in runs[1:]:
            check_measure(runs[0], run)
    if not over_seeds and pool is None:
        names = folder_names(runs)
        return [Entry(name, (run.config.get(SEED),), ((run,),)) for name, run in zip(names, runs, strict=True)]
    left_out = ([SEED] if over_seeds else []) + ([pool] if pool is not None else [])
    groups: dict[str, dict[tuple[str, str], MeasuredRun]] = {}
    for run in runs:
        cells = groups.setdefault(_key(run, left_out), {})
        cell = (short_json(run.config.get(SEED)), short_json(_setting(run, pool)) if pool is not None else "")
        if cell in cells:
            raise RunError(
                f"{cells[cell].path} and {run.path}: have the same settings and {_cell_words(cell, pool)}; leave one of them out."
            )
        cells[cell] = run
    _check_something_to_group(runs, groups, left_out, over_seeds, pool)
    _check_pooled(runs, pool)
    _check_complete(groups, pool, over_seeds)
    names = entry_names([list(cells.values()) for cells in groups.values()], left_out)
    return [_entry(name, cells) for name, cells in zip(names, groups.values(), strict=True)]


def comparable_by(runs: Sequence[MeasuredRun]) -> str | None:
    """The options with which `moft compare` accepts the runs of a sweep, as text; None if there are no such options."""
    first, *others = (run.config for run in runs)
    varied = dict.fromkeys(path for config in others for path, _, _ in differences(first, config) if path != SEED)
    has_seeds = len({short_json(run.config.get(SEED)) for run in runs}) > 1
    for pool in (None, *varied):
        with suppress(MoftError):
            entries_of(runs, over_seeds=has_seeds, pool=pool)
            return (" --over-seeds" if has_seeds else "") + (f" --pool {pool}" if pool is not None else "")
    return None


def _entry(name: str, cells: Mapping[tuple[str, str], MeasuredRun]) -> Entry:
    seeds, parts = (sorted({cell[side] for cell in cells}, key=_numbers_first) for side in (0, 1))
    return Entry(name, tuple(map(json.loads, seeds)), tuple(tuple(cells[seed, part] for part in parts) for seed in seeds))


def _check_enough(runs: Sequence[MeasuredRun]) -> None:
    if len(runs) < 2:
        raise ConfigError(f"moft compare needs at least two runs, got {len(runs)}.")
    by_path: dict[Any, MeasuredRun] = {}
    for run in runs:
        place = run.path.resolve()
        if place in by_path:
            raise ConfigError(f"{run.path}: is given twice; give each run once.")
        by_path[place] = run


def _key(run: MeasuredRun, left_out: Sequence[str]) -> str:
    """What all runs of one entry have in common, as text: config without the settings `left_out`, and betas."""
    config = json.loads(json.dumps(run.config))
    for path in left_out:
        *above, last = path.split(".")
        place = config
        for part in above:
            place = place.get(part) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(last, None)
    return json.dumps([config, run.tensors["betas"].tolist()], sort_keys=True)


def _setting(run: MeasuredRun, path: str) -> Any:
    """The run's value of a setting.

    Raises:
        ConfigError: it has no such setting.
    """
    place: Any = run.config
    for part in path.split("."):
        place = place.get(part, _NOTHING) if isinstance(place, Mapping) else _NOTHING
    if place is _NOTHING:
        raise ConfigError(
            f"--pool {path}: {run.path} has no such setting; give one that selects {run.nouns.lists}, such as task.fold."
        )
    return place


def _check_something_to_group(
    runs: Sequence[MeasuredRun], groups: Mapping[str, Any], left_out: Sequence[str], over_seeds: bool, pool: str | None
) -> None:
    if pool is not None and len({short_json(_setting(run, pool)) for run in runs}) == 1:
        value = short_json(_setting(runs[0], pool))
        raise ConfigError(f"--pool {pool}: is {value} in every run, so there is nothing to pool; leave it out.")
    if not over_seeds:
        return
    if all(len({cell[0] for cell in cells}) == 1 for cells in groups.values()):
        other = next((path for path, _, _ in differences(runs[0].config, runs[1].config) if path not in left_out), None)
        example = f" ({runs[0].path} and {runs[1].path} differ in {other})" if other is not None else ""
        raise ConfigError(f"--over-seeds: no two runs differ only in their seed{example}; leave it out to compare single runs.")


def _check_pooled(runs: Sequence[MeasuredRun], pool: str | None) -> None:
    """Checks that runs with the same value of the pooled setting have the same lists, and others have other lists."""
    if pool is None:
        return
    firsts: dict[str, MeasuredRun] = {}
    for run in runs:
        value = short_json(_setting(run, pool))
        check_lists(firsts.setdefault(value, run), run)
    values = list(firsts)
    for index, value in enumerate(values):
        for other in values[index + 1 :]:
            check_disjoint(firsts[value], firsts[other], f"{pool}={value} and {pool}={other}")


def _check_complete(groups: Mapping[str, Mapping[tuple[str, str], MeasuredRun]], pool: str | None, over_seeds: bool) -> None:
    """Checks that every entry has every combination of seed and value of the pooled setting."""
    whole = groups.values()
    parts = {cell[1] for cells in whole for cell in cells}
    seeds = {cell[0] for cells in whole for cell in cells} if over_seeds else None
    for cells in whole:
        own = {cell[0] for cell in cells}
        for seed in sorted(own if seeds is None else seeds, key=_numbers_first):
            for part in sorted(parts, key=_numbers_first):
                if (seed, part) not in cells:
                    run = next(iter(cells.values()))
                    other = next((c[seed, part] for c in whole if (seed, part) in c), None)
                    example = f" (such as {other.path} for another entry)" if other is not None else ""
                    raise RunError(
                        f"{run.path}: no run with its settings and {_cell_words((seed, part), pool)} is given{example}; "
                        f"all entries need the same seeds and {run.nouns.lists}, so add it or leave the others out."
                    )


def _cell_words(cell: tuple[str, str], pool: str | None) -> str:
    return f"seed={cell[0]}" + (f" and {pool}={cell[1]}" if pool is not None else "")


def _numbers_first(text: str) -> tuple[int, float, str]:
    value = json.loads(text) if text else None
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, text)
