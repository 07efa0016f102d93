"""Compares one policy at the vertices with a dedicated model for each objective, on real MSLR queries: the vertex ratios.

For every fold and seed, one model is trained for all weightings, and a dedicated model for each objective (sampler `fixed`, no
conditioner) with the default number of steps and width. The vertex ratio is NDCG@10 of objective j at its vertex, over that of
the dedicated model. Queries are pooled and dealt into five folds, so that every query is measured once per seed; intervals are
from a bootstrap over queries.

Run it:  MSLR=path/to/mslr python benchmarks/vertices_vs_dedicated_models.py --study  (validation split: chose the defaults)
         MSLR=path/to/mslr python benchmarks/vertices_vs_dedicated_models.py  (test split: the defaults, once)
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

FOLDS = 5
NAMES = ("query-url-clicks", "url-clicks", "dwell-time", "quality-score", "quality-score-2")
CONFIG = Path(__file__).parents[1] / "configs" / "ltr" / "mslr.yaml"
FLAT = ["task.objectives.quality-score.loss=null", "task.objectives.quality-score-2.loss=null"]
PAPER = ["method.conditioner=concat", "method.sampler.vertices=0", "method.balance=none"]

DEFAULTS: Mapping[str, list[str]] = {"defaults": []}
BASELINE = "baseline: film, balance, 30 % of draws on vertices"
BALANCED = ["method.balance=gradient"]
STUDY: Mapping[str, list[str]] = {
    BASELINE: BALANCED,
    "as in the paper: concat, no balance, no draws on vertices": PAPER,
    "concat": [*BALANCED, "method.conditioner=concat"],
    "film from identity (spread 0)": [*BALANCED, "method.conditioner.spread=0"],
    "film, spread 2": [*BALANCED, "method.conditioner.spread=2"],
    "film at every site": [*BALANCED, "method.conditioner.sites=[input,layer-1,layer-2,output]"],
    "no balance": ["method.balance=none"],
    "no draws on vertices": [*BALANCED, "method.sampler.vertices=0"],
    "60 % of draws on vertices": [*BALANCED, "method.sampler.vertices=0.6"],
    "20 % of draws on edges": [*BALANCED, "method.sampler.edges=0.2"],
    "one draw for a whole batch": [*BALANCED, "method.share_draws=true"],
    "4 draws for each list": [*BALANCED, "method.draws=4"],
    "width 32": [*BALANCED, "task.width=32"],
    "half the steps": [*BALANCED, "trainer.epochs=15"],
    "twice the steps": [*BALANCED, "trainer.epochs=60"],
    "flat quality targets (sharpness 1)": [*BALANCED, *FLAT],
    "flat quality targets, no balance": ["method.balance=none", *FLAT],
    "flat quality targets, and as in the paper": [*FLAT, *PAPER],
}


def measure(
    variants: Mapping[str, Sequence[str]],
    split: str,
    seeds: int,
    folds: int,
    processes: int,
    save: Callable[[int, dict[str, Any]], None],
) -> None:
    """Trains and measures all variants, and calls `save` with the results whenever another seed is complete."""
    pairs = [(fold, seed) for seed in range(seeds) for fold in range(folds)]
    jobs = [({name: list(overrides) for name, overrides in variants.items()}, split, fold, seed) for fold, seed in pairs]
    with get_context("spawn").Pool(processes) as pool:
        found = []
        for result in pool.imap(_train_variants, jobs):
            found.append(result)
            print(f"{len(found)} of {len(jobs)} folds done", flush=True)
            complete = len(found) // folds
            if len(found) == complete * folds:
                save(complete, {name: _summary(name, found, complete) for name in variants})


def _train_variants(job: tuple[Mapping[str, list[str]], str, int, int]) -> dict[str, Any]:
    """Every variant on one fold with one seed; dedicated models are trained once for each set of losses."""
    import torch

    from benchmarks.support.train_and_measure import Experiments, dedicated_model

    variants, split, fold, seed = job
    usual = [f"task.folds={FOLDS}", f"task.fold={fold}", f"seed={seed}", "trainer.threads=1", "trainer.device=cpu"]
    if split == "validation":
        usual.append("trainer.evaluations=0")  # else the checkpoint would be selected on the queries that are measured
    experiments = Experiments(CONFIG, usual)
    vertices = torch.eye(len(NAMES))
    dedicated: dict[str, Any] = {}
    result: dict[str, Any] = {"fold": fold, "seed": seed, "variants": {}}
    for name, overrides in variants.items():
        losses = [text for text in overrides if text.startswith("task.objectives.")]
        if str(losses) not in dedicated:
            runs = [
                experiments.run([*losses, *dedicated_model(vertex.tolist())], split=split, weights=vertex.unsqueeze(0))
                for vertex in vertices
            ]
            dedicated[str(losses)] = {
                "values": torch.stack([found.front.measured.values[0, :, index] for index, found in enumerate(runs)], dim=-1),
                "seconds": sum(found.processor for found in runs),
            }
        policy = experiments.run(overrides, split=split)
        result["variants"][name] = {
            "dedicated": dedicated[str(losses)],
            "values": policy.front.measured.values,
            "main": policy.front.measured.main,
            "base": policy.base.values[0],
            "seconds": policy.processor,
        }
    return result


def _summary(name: str, found: Sequence[Mapping[str, Any]], seeds: int) -> dict[str, Any]:
    """Means over all queries and seeds; intervals over queries, whose values are first averaged over seeds."""
    import torch

    from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, interval, resampled
    from moft.engine.fronts.hypervolume import hypervolume

    ordered = sorted(found, key=lambda result: (result["seed"], result["fold"]))
    chosen = [result["variants"][name] for result in ordered]
    folds = len(chosen) // seeds
    by_seed = [chosen[seed * folds : (seed + 1) * folds] for seed in range(seeds)]

    def pooled(read: Any) -> torch.Tensor:
        return torch.stack([torch.cat([read(result) for result in of_seed], dim=-2) for of_seed in by_seed]).nanmean(0)

    front = pooled(lambda result: result["values"])  # [11, lists, m]
    policy = torch.stack([front[index, :, index] for index in range(5)], dim=-1)  # [lists, m], at the vertices
    dedicated = pooled(lambda result: result["dedicated"]["values"])  # [lists, m]
    base = pooled(lambda result: result["base"])  # [lists, m]
    main = pooled(lambda result: result["main"].unsqueeze(-1)).squeeze(-1)  # [11, lists]
    counts = resampled(len(policy), 1000, 0)
    samples = bootstrap_means(torch.stack([policy, dedicated, base]), counts)  # [samples, 3, m]
    origin = torch.zeros(5, dtype=torch.float64)
    return {
        "objectives": list(NAMES),
        "lists": len(policy),
        "policy": policy.nanmean(0).tolist(),
        "dedicated": dedicated.nanmean(0).tolist(),
        "base": base.nanmean(0).tolist(),
        "ratio": (policy.nanmean(0) / dedicated.nanmean(0)).tolist(),
        "ratio_ci": interval(samples[:, 0] / samples[:, 1]).tolist(),
        "above_base_ci": interval(samples[:, 0] - samples[:, 2]).tolist(),
        "hypervolume": hypervolume(front.nanmean(1), origin),
        "hypervolume_ci": interval(bootstrap_hypervolume(front, counts, origin)).tolist(),
        "main": main.nanmean().item(),
        "seconds": sum(result["seconds"] for result in chosen) / len(chosen),
        "dedicated_seconds": sum(result["dedicated"]["seconds"] for result in chosen) / len(chosen),
    }


def main() -> None:
    """Runs the chosen variants, prints the table, writes JSON."""
    from benchmarks.support.reporting import machine, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", action="store_true", help="all variants on the validation split")
    parser.add_argument("--only", nargs="*", help="names of variants")
    parser.add_argument(
        "--split", choices=["validation", "test"], help="default: validation for the study, test for the defaults"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if "MSLR" not in os.environ:
        parser.error("set MSLR to a folder with train.txt, vali.txt and test.txt")
    os.environ["OMP_NUM_THREADS"] = "1"
    variants = dict(STUDY if options.study else DEFAULTS)
    if options.only:
        variants = {name: STUDY[name] for name in options.only}
    split = options.split or ("validation" if options.study else "test")

    def save(seeds: int, found: dict[str, Any]) -> None:
        _show(found, split)
        setup = {"split": split, "seeds": seeds, "folds": options.folds}
        name = "vertices-study" if options.study or options.only else "vertices"
        write_result(name, {"setup": setup, "machine": machine(), "variants": found})

    measure(variants, split, options.seeds, options.folds, options.processes, save)


def _show(found: Mapping[str, Any], split: str) -> None:
    """Prints the table."""
    from benchmarks.support.reporting import print_table

    rows = [
        [
            name,
            *(f"{value:.2f}" for value in result["ratio"]),
            f"{min(result['ratio']):.2f}",
            *(f"{value:.3f}" for value in result["policy"]),
            f"{1000 * result['hypervolume']:.2f}",
            f"{result['main']:.3f}",
            f"{result['seconds']:.1f}",
        ]
        for name, result in found.items()
    ]
    names = ["I", "II", "III", "IV", "V"]
    print_table(f"Vertex ratios and values, {split} split", ["variant", *names, "lowest", *names, "HV/1e-3", "main", "s"], rows)


if __name__ == "__main__":
    main()
