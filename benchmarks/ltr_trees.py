"""Compares steerable trees with a LightGBM ranker for each weighting, eleven dedicated sets of trees, and a network.

Methods that keep more or less of the main objective are compared as curves: of the hypervolume of the objectives over the mean
main value, along the dial (trees, network) or along the share of the main label that is mixed in (`lightgbm-ls`). All start from
the same LambdaMART base. For every seed, and every fold of the real queries, the best checkpoint on the validation split is
measured on the test split. Queries are pooled over folds and averaged over seeds; intervals are from a bootstrap over queries.

The targets: the curve of trees lies above every other at all main values that both reach; the hypervolume with the main objective
as a further one is at least 1.3 times the best of `lightgbm-ls`; training takes at most a quarter of its time; the lowest vertex
ratio to dedicated trees is 0.97, monotonicity 0.95.

Run it:  MSLR=path/to/mslr python benchmarks/ltr_trees.py mslr --folds 5 --out runs/trees-mslr
         python benchmarks/ltr_trees.py mslr-sample --out runs/trees-mslr-sample
         python benchmarks/ltr_trees.py synthetic-2 --lists 300 --out runs/trees-synthetic-2
         python benchmarks/ltr_trees.py synthetic-5 --lists 300 --out runs/trees-synthetic-5
What is already measured in the output folder is not trained again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.support.curves import Curve, compared

ROOT = Path(__file__).parents[1]
CONFIGS = {
    "mslr": ROOT / "configs" / "ltr" / "mslr.yaml",
    "mslr-sample": ROOT / "configs" / "ltr" / "mslr-sample.yaml",
    "synthetic-2": ROOT / "configs" / "ltr" / "synthetic.yaml",
    "synthetic-5": ROOT / "configs" / "ltr" / "synthetic-5.yaml",
}
REAL = ["task.objectives.quality-score.loss=null", "task.objectives.quality-score-2.loss=null"]
"""Overrides of the real data for trees, whose loss is the same for all objectives."""

BASE = "task.base=lambdamart"
DIALS = (0.125, 0.25, 0.5, 0.7, 2.0, 4.0)
SHARES = (0.0, 0.3, 0.5, 0.7, 0.9)
POINTS = 11
OBJECTIVES = {"mslr": 5, "mslr-sample": 5, "synthetic-2": 2, "synthetic-5": 5}


def train_all(data: str, out: Path, split: str, seeds: int, folds: int, processes: int) -> None:
    """Trains and measures every method for every seed and fold, and keeps the values."""
    jobs = [(data, out, split, seed, fold, folds) for seed in range(seeds) for fold in range(max(1, folds))]
    with get_context("spawn").Pool(processes) as pool:
        for index, seconds in enumerate(pool.imap(_train_methods, jobs), start=1):
            print(f"{index} of {len(jobs)} done in {seconds:.0f} s", flush=True)


def _train_methods(job: tuple[str, Path, str, int, int, int]) -> float:
    """Trains all methods for one seed and fold; returns the seconds."""
    from benchmarks.support.train_and_measure import Experiments

    data, out, split, seed, fold, folds = job
    started = time.perf_counter()
    usual = [f"seed={seed}", "trainer.device=cpu", "trainer.threads=1", BASE, f"profile.points={POINTS}"]
    usual += [f"task.folds={folds}", f"task.fold={fold}"] if folds else []
    experiments = Experiments(CONFIGS[data], usual)
    trees = ["method=cos-dpo-trees", *(REAL if data.startswith("mslr") else [])]
    _measured(out / f"trees-{seed}-{fold}", experiments, split, trees)
    _measured(out / f"network-{seed}-{fold}", experiments, split, [])
    for share in SHARES if seed == 0 else ():  # its trees draw nothing: another seed gives the same
        method = f"method={{name: lightgbm-ls, main_share: {share}}}"
        _measured(out / f"lightgbm-ls-{share}-{seed}-{fold}", experiments, split, [method], dials=())
    for index, weights in enumerate(_grid(CONFIGS[data], usual, OBJECTIVES[data])):
        fixed = f"{{name: cos-dpo-trees, draws: 1, sampler: {{name: fixed, value: {weights.tolist()}}}}}"
        own = [f"method={fixed}", *trees[1:]]
        _measured(out / f"dedicated-{index}-{seed}-{fold}", experiments, split, own, weights=weights.unsqueeze(0))
    return time.perf_counter() - started


def _grid(config: Path, usual: Sequence[str], objectives: int) -> Any:
    """`[points, m]`, the weightings of the config's profile."""
    from moft.hooks.plugin_manager import Plugins
    from moft.run.run_config import read_settings

    plugins = Plugins()
    plugins.load(disable=["console"])
    settings = read_settings(config, list(usual), plugins).make()
    return settings.profile.grid(objectives).grid(POINTS).float()


def _measured(
    target: Path, experiments: Any, split: str, overrides: Sequence[str], *, weights: Any = None, dials: Sequence[float] = DIALS
) -> None:
    """Trains one policy and keeps its values at every dial, the weightings, and the processor time."""
    import torch

    from moft.files.safetensors import save_tensors

    file = target.with_suffix(target.suffix + ".safetensors")
    if file.exists():
        return
    found = experiments.run(overrides, split=split, weights=weights, dials=dials)
    tensors = {"seconds": torch.tensor(found.processor), "weights": found.front.tradeoffs.weights}
    for dial, front in {1.0: found.front, **found.dialled}.items():
        tensors |= {f"values.{dial}": front.measured.values, f"main.{dial}": front.measured.main}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(file, tensors)


def _kept(file: Path) -> Mapping[str, Any]:
    """What was measured; a query without labels has no value."""
    from moft.files.safetensors import load_tensors

    return load_tensors(file, unmeasured=[f"{kind}.{dial}" for kind in ("values", "main") for dial in (1.0, *DIALS)])


def curves_of(out: Path, seeds: int, folds: int) -> tuple[dict[str, Curve], Any]:
    """The curve of each method, and the weightings."""
    import torch

    def seeds_of(name: str) -> range:
        return range(1 if name.startswith("lightgbm-ls") else seeds)

    def pooled(name: str, key: str) -> Any:
        """`[n, lists, ...]`, lists of all folds, means over seeds."""
        by_seed = [
            torch.cat([_kept(out / f"{name}-{seed}-{fold}.safetensors")[key] for fold in range(max(1, folds))], dim=1)
            for seed in seeds_of(name)
        ]
        return torch.stack(by_seed).double().nanmean(0)

    def seconds(names: Sequence[str]) -> float:
        files = [out / f"{n}-{s}-{f}.safetensors" for n in names for s in seeds_of(n) for f in range(max(1, folds))]
        return float(sum(_kept(file)["seconds"].item() for file in files)) / len(seeds_of(names[0]))

    def along(names: Sequence[str], places: Mapping[float, str]) -> Iterator[tuple[float, Any, Any]]:
        for place, key in places.items():
            parts = [(pooled(name, f"values.{key}"), pooled(name, f"main.{key}")) for name in names]
            yield place, torch.cat([values for values, _ in parts]), torch.cat([main for _, main in parts])

    dials = {dial: str(dial) for dial in sorted({1.0, *DIALS})}
    dedicated = [f"dedicated-{index}" for index in range(POINTS)]
    curves = {
        "trees": Curve(list(along(["trees"], dials)), seconds(["trees"])),
        "network": Curve(list(along(["network"], dials)), seconds(["network"])),
        "eleven dedicated sets of trees": Curve(list(along(dedicated, dials)), seconds(dedicated)),
        "lightgbm-ls": Curve(
            [part for share in SHARES for part in along([f"lightgbm-ls-{share}"], {share: "1.0"})],
            seconds([f"lightgbm-ls-{share}" for share in SHARES]),
        ),
    }
    return curves, _kept(out / "trees-0-0.safetensors")["weights"]


def main() -> None:
    """Trains, compares, prints the tables and writes JSON."""
    from benchmarks.support.datasets import make_synthetic_queries
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(CONFIGS))
    parser.add_argument("--out", type=Path, required=True, help="folder for what was measured")
    parser.add_argument("--split", choices=["validation", "test"], default="test")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--lists", type=int, default=300, help="synthetic training queries")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.data.startswith("synthetic"):
        make_synthetic_queries(options.data, options.lists, options.out / "queries")
    train_all(options.data, options.out, options.split, options.seeds, options.folds, options.processes)
    curves, weights = curves_of(options.out, options.seeds, options.folds)
    found = compared(curves, "trees", weights)
    for name, curve in found["curves"].items():
        rows = [
            [f"{row['place']:g}", f"{1000 * row['hypervolume']:.2f}", f"{row['main']:.3f}", f"{1000 * row['with_main']:.2f}"]
            for row in curve["points"]
        ]
        print_table(f"{name}, {curve['seconds']:.1f} s", ["dial or share", "HV/1e-3", "main", "with main"], rows)
    for name, verdict in found["verdicts"].items():
        print(f"trees minus {name}: {verdict['text']}")
    print({key: found[key] for key in ("vertex_ratio", "monotonicity", "with_main_ratio", "share_of_time")})
    setup = {"data": options.data, "split": options.split, "seeds": options.seeds, "folds": options.folds}
    if options.split == "test":
        write_result(f"ltr-trees-{options.data}", {"setup": setup, "machine": machine("lightgbm"), **found})


if __name__ == "__main__":
    main()
