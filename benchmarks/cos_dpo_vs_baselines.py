"""Compares Weight-COS-DPO with DPO-LS, DPO Soup and MO-DPO on rankers: hypervolume, main score and time, with paired verdicts.

For every seed, and every fold of the real queries, each method is trained on the same base ranker with one thread, two trainings
at a time, and its best checkpoint on the validation split is measured on the test split. Fronts are written as folders that `moft
compare` reads, and are compared as with `--over-seeds` (and `--pool task.fold`). The target: hypervolume and mean main score of
Weight-COS-DPO are at least those of every baseline, in at most a fifth of the time of DPO-LS's separate jobs.

Run it:  MSLR=path/to/mslr python benchmarks/cos_dpo_vs_baselines.py mslr --folds 5 --out runs/methods-mslr
         python benchmarks/cos_dpo_vs_baselines.py synthetic-2 --lists 300 --out runs/methods-synthetic-2
         python benchmarks/cos_dpo_vs_baselines.py synthetic-5 --lists 300 --out runs/methods-synthetic-5
Fronts that already exist in the output folder are not trained again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from moft.hooks.plugin_manager import Plugins

OURS = "cos-dpo"
ROOT = Path(__file__).parents[1]
CONFIGS = {
    "mslr": ROOT / "configs" / "paper" / "ltr" / "table1.yaml",
    "synthetic-2": ROOT / "configs" / "ltr" / "synthetic.yaml",
    "synthetic-5": ROOT / "configs" / "ltr" / "synthetic-5.yaml",
}
BASELINES = {"dpo-soup": ["method=dpo-soup"], "mo-dpo": ["method=mo-dpo"]}
LONGER = ["method={name: cos-dpo, conditioner: {name: film, sites: [input, layer-1, layer-2, output]}}", "trainer.epochs=72"]
SYNTHETIC = {"cos-dpo": LONGER, "dpo-ls": ["method=dpo-ls"], **BASELINES}
METHODS = {
    "mslr": {
        "cos-dpo": ["method={name: cos-dpo, balance: none}"],
        "dpo-ls": ["method={name: dpo-ls, balance: none}"],
        **BASELINES,
    },
    "synthetic-2": SYNTHETIC,
    "synthetic-5": SYNTHETIC,
}
"""Overrides by method. On synthetic data, one model for all weightings gets more epochs, as far as a fifth of the time allows."""


def train_all(data: str, out: Path, seeds: int, folds: int, processes: int, usual: list[str]) -> None:
    """Trains every method for every seed and fold, and writes its front."""
    splits = [(fold, [f"task.folds={folds}", f"task.fold={fold}"]) for fold in range(folds)] if folds else [(0, list[str]())]
    jobs = [(data, out, seed, fold, [*usual, *more]) for seed in range(seeds) for fold, more in splits]
    with get_context("spawn").Pool(processes) as pool:
        for index, seconds in enumerate(pool.imap(_train_methods, jobs), start=1):
            print(f"{index} of {len(jobs)} done in {seconds:.0f} s", flush=True)


def _train_methods(job: tuple[str, Path, int, int, list[str]]) -> float:
    """Trains all methods for one seed and fold; returns the seconds."""
    from benchmarks.support.train_and_measure import Experiments
    from moft.files.atomic_write import atomic_folder
    from moft.files.json import write_json
    from moft.files.safetensors import save_tensors
    from moft.run.policy.measure import BOOTSTRAP_SEED
    from moft.run.report.front_record import Cost, Measured, front_record, list_values, reference_point
    from moft.run.run_config import read_settings

    data, out, seed, fold, usual = job
    started = time.perf_counter()
    usual = [*usual, f"seed={seed}", "trainer.device=cpu", "trainer.threads=1"]
    experiments = Experiments(CONFIGS[data], usual)
    for name, overrides in METHODS[data].items():
        target = out / f"{name}-seed-{seed}-fold-{fold}"
        if target.exists():
            continue
        found = experiments.run(overrides, split="test")
        measured = Measured(
            found.front, None, found.base, reference_point(None, len(found.front.objectives)), 1000, BOOTSTRAP_SEED
        )
        run = {"name": target.name, "config": found.config, "data": found.data}
        plugins = Plugins()
        plugins.load(disable=["console"])
        indicators = read_settings(CONFIGS[data], usual, plugins).make().profile.indicators
        record = front_record(measured, indicators, Cost(found.cost, 0.0), found.front.notes, run)
        with atomic_folder(target) as folder:
            write_json(folder / "front.json", record)
            save_tensors(folder / "lists.safetensors", list_values(measured))
    return time.perf_counter() - started


def compare_fronts(folder: Path, pool: str | None, samples: int, *, over_seeds: bool) -> dict[str, Any]:
    """The comparison of all fronts in a folder, with an entry for each method."""
    from moft.run.comparison.comparison_record import comparison_record
    from moft.run.comparison.seeds_and_folds import entries_of
    from moft.run.report.read_front import read_measured

    paths = sorted(path.parent for path in folder.glob("*/front.json"))
    runs = [read_measured(path) for path in paths]
    return comparison_record(entries_of(runs, over_seeds=over_seeds, pool=pool), samples=samples)


def method_of(entry: Mapping[str, Any]) -> str:
    """The registered name of an entry's method."""
    import json

    front = json.loads((Path(entry["runs"][0]) / "front.json").read_text(encoding="utf-8"))
    return str(front["run"]["config"]["method"]["name"])


def main() -> None:
    """Prints the tables and writes JSON."""
    from benchmarks.support.datasets import make_synthetic_queries
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=tuple(CONFIGS))
    parser.add_argument("--out", type=Path, required=True, help="folder for the fronts")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--lists", type=int, default=1500, help="synthetic training queries")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], help="override, as for moft train")
    options = parser.parse_args()
    if options.data != "mslr":
        make_synthetic_queries(options.data, options.lists, options.out / "data")
    train_all(options.data, options.out / "fronts", options.seeds, options.folds, options.processes, options.set)
    found = compare_fronts(options.out / "fronts", "task.fold" if options.folds else None, 1000, over_seeds=options.seeds > 1)
    names = {entry["name"]: method_of(entry) for entry in found["entries"]}
    entries = {names[entry["name"]]: _result_entry(entry) for entry in found["entries"]}
    verdicts = [
        {**verdict, "first": names[verdict["first"]], "second": names[verdict["second"]]}
        for verdict in found["verdicts"]
        if OURS in (names[verdict["first"]], names[verdict["second"]])
    ]
    ours = entries[OURS]
    share = ours["cost"]["seconds"] / entries["dpo-ls"]["cost"]["separate_seconds"]
    rows = [
        [
            name,
            f"{entry['hypervolume']['value']:.4g} [{entry['hypervolume']['ci'][0]:.4g}, {entry['hypervolume']['ci'][1]:.4g}]",
            f"{entry['main']['value']:.4f} ±{entry['main']['deviation']:.3f}",
            f"{entry['cost']['jobs']:g}",
            f"{entry['cost']['seconds']:.1f}",
            f"{entry['cost']['separate_seconds']:.1f}",
            f"{entry['cost']['parameters']:,.0f}",
            _verdict(name, "hypervolume", verdicts),
            _verdict(name, "main", verdicts),
        ]
        for name, entry in entries.items()
    ]
    header = ["method", "hypervolume", "main", "jobs", "s", "s, separate", "parameters", "hypervolume, cos-dpo", "main, cos-dpo"]
    print_table(f"{found['lists']} queries, {len(found['objectives'])} objectives, seeds {ours['seeds']}", header, rows)
    print(f"Seconds of {OURS} over those of the separate jobs of dpo-ls: {share:.3f} (target: at most 0.2)")
    write_result(
        f"methods-{options.data}",
        {
            "machine": machine(),
            "objectives": found["objectives"],
            "lists": found["lists"],
            "metric": found["metric"],
            "intervals": found["intervals"],
            "adjustment": found["adjustment"],
            "entries": entries,
            "verdicts": verdicts,
            "share_of_time": share,
        },
    )


def _result_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("seeds", "hypervolume", "main", "indicators", "cost")} | {
        "runs": len(entry["runs"]),
        "base": {key: entry["base"][key] for key in ("values", "main")},
    }


def _verdict(name: str, measure: str, verdicts: list[dict[str, Any]]) -> str:
    """The verdict on cos-dpo against `name`."""
    for verdict in verdicts:
        if verdict["measure"] == measure and name != OURS and name in (verdict["first"], verdict["second"]):
            sign = 1 if verdict["first"] == OURS else -1
            difference = sign * verdict["difference"]
            words = "significant" if verdict["is_significant"] else "not significantly different"
            return f"{difference:+.3g}, {words} (p {verdict['p']:.2g})"
    return ""


if __name__ == "__main__":
    main()
