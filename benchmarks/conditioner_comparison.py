"""Compares all conditioners, some mixes, and FiLM with other samplers, on rankers; everything else is equal.

The data is 175 queries of MSLR in five folds, or a synthetic dataset with five objectives. For every fold and seed, one model is
trained with each variant, and one dedicated model for each objective. Reported for each variant: hypervolume with its interval
and its paired difference from concat's, vertex ratios (objective j at its vertex, over the dedicated model), monotonicity, main
score, trained parameters, and the processor time of a training over concat's. Queries are pooled over folds and averaged over
seeds; intervals are from a bootstrap over queries. Adaptive samplers measure the validation split while they train, so they are
not compared on it.

Run it:  MSLR=path/to/mslr python benchmarks/conditioner_comparison.py mslr  (validation split, to choose the default by)
         MSLR=path/to/mslr python benchmarks/conditioner_comparison.py mslr --split test  (test split, once)
         python benchmarks/conditioner_comparison.py synthetic-5 --split test --out runs/conditioners-synthetic-5
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIGS = {"mslr": ROOT / "configs" / "ltr" / "mslr.yaml", "synthetic-5": ROOT / "configs" / "ltr" / "synthetic-5.yaml"}
FOLDS = {"mslr": 5, "synthetic-5": 0}
BASELINE = "concat"

CONDITIONERS: Mapping[str, str] = {
    BASELINE: "concat",
    "film": "film",
    "hypernetwork": "hypernetwork",
    "hyper-lora": "hyper-lora",
    "[concat, hypernetwork]": "[concat, hypernetwork]",
    "[film, hyper-lora]": "[film, hyper-lora]",
    "mix of film and hyper-lora, learned gate": "{name: mix, parts: [film, hyper-lora], gate: learned}",
    "film of Fourier features": "{name: encoded, encoder: fourier, conditioner: film}",
}
SAMPLERS: Mapping[str, str] = {
    "film, Sobol draws": "{name: sobol, vertices: 0.3}",
    "film, adaptive toward gaps": "{name: adaptive, toward: gaps}",
    "film, adaptive toward ignored weights": "{name: adaptive, toward: ignored}",
}
"""The conditioners above have Dirichlet draws with the same share of vertices."""


def variants_of(split: str) -> dict[str, list[str]]:
    """Overrides by name of all variants that can be measured on the split."""
    variants = {name: [f"method.conditioner={text}"] for name, text in CONDITIONERS.items()}
    for name, text in SAMPLERS.items():
        if split == "test" or "adaptive" not in text:
            variants[name] = ["method.conditioner=film", f"method.sampler={text}"]
    return variants


def measure(
    data: str,
    variants: Mapping[str, list[str]],
    split: str,
    seeds: int,
    processes: int,
    save: Callable[[int, dict[str, Any]], None],
) -> None:
    """Trains and measures all variants, and calls `save` with the results whenever another seed is complete."""
    folds = FOLDS[data] or 1
    jobs = [(data, dict(variants), split, fold, seed) for seed in range(seeds) for fold in range(folds)]
    with get_context("spawn").Pool(processes) as pool:
        found = []
        for result in pool.imap(_train_variants, jobs):
            found.append(result)
            print(f"{len(found)} of {len(jobs)} folds done", flush=True)
            if len(found) % folds == 0:
                save(len(found) // folds, summaries(found, folds))


def _train_variants(job: tuple[str, Mapping[str, list[str]], str, int, int]) -> dict[str, Any]:
    """Every variant, and the dedicated models, on one fold with one seed."""
    import torch

    from benchmarks.support.train_and_measure import Experiments, dedicated_model

    data, variants, split, fold, seed = job
    usual = [f"seed={seed}", "trainer.threads=1", "trainer.device=cpu"]
    if FOLDS[data]:
        usual += [f"task.folds={FOLDS[data]}", f"task.fold={fold}"]
    if split == "validation":
        usual.append("trainer.evaluations=0")  # else the checkpoint would be selected on the queries that are measured
    experiments = Experiments(CONFIGS[data], usual)
    run = partial(experiments.run, split=split)
    vertices = torch.eye(5)
    runs = [run(dedicated_model(vertex.tolist()), weights=vertex.unsqueeze(0)) for vertex in vertices]
    dedicated = torch.stack([found.front.measured.values[0, :, index] for index, found in enumerate(runs)], dim=-1)
    result: dict[str, Any] = {"dedicated": dedicated, "objectives": runs[0].front.objectives, "variants": {}}
    for name, overrides in variants.items():
        outcome = run(overrides)
        result["variants"][name] = {
            "weights": outcome.front.tradeoffs.weights,
            "values": outcome.front.measured.values,
            "main": outcome.front.measured.main,
            "seconds": outcome.processor,
            "parameters": outcome.cost.parameters,
        }
    return result


def summaries(found: Sequence[Mapping[str, Any]], folds: int) -> dict[str, Any]:
    """The results of each variant over all queries, whose values are first averaged over seeds."""
    import torch

    from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, interval, resampled
    from moft.engine.fronts.hypervolume import hypervolume

    def pooled(read: Callable[[Mapping[str, Any]], Any]) -> torch.Tensor:
        seeds = [found[first : first + folds] for first in range(0, len(found), folds)]
        each = torch.stack([torch.cat([read(result) for result in of_seed], dim=-2) for of_seed in seeds])
        return torch.nanmean(each, dim=0)

    dedicated = pooled(lambda result: result["dedicated"])  # [lists, m]
    m = dedicated.shape[1]
    counts = resampled(len(dedicated), 1000, 0)
    origin = torch.zeros(m, dtype=torch.float64)
    values = {name: pooled(partial(_read, name, "values")) for name in found[0]["variants"]}  # each [n, lists, m]
    volumes = {name: bootstrap_hypervolume(one, counts, origin) for name, one in values.items()}
    baseline_volume = hypervolume(values[BASELINE].nanmean(1), origin)
    summary: dict[str, Any] = {}
    for name, front in values.items():
        at_vertices = torch.stack([front[index, :, index] for index in range(m)], dim=-1)  # [lists, m]
        samples = bootstrap_means(torch.stack([at_vertices, dedicated]), counts)  # [samples, 2, m]
        rows = [result["variants"][name] for result in found]
        volume = hypervolume(front.nanmean(1), origin)
        seconds = [row["seconds"] / result["variants"][BASELINE]["seconds"] for row, result in zip(rows, found, strict=True)]
        summary[name] = {
            "hypervolume": volume,
            "hypervolume_ci": interval(volumes[name]).tolist(),
            "more_than_concat": volume - baseline_volume,
            "more_than_concat_ci": interval(volumes[name] - volumes[BASELINE]).tolist(),
            "ratio": (at_vertices.nanmean(0) / dedicated.nanmean(0)).tolist(),
            "ratio_ci": interval(samples[:, 0] / samples[:, 1]).tolist(),
            "monotonicity": _monotonicity(rows[0]["weights"], front.nanmean(1)),
            "main": float(pooled(partial(_read_main, name)).nanmean()),
            "parameters": rows[0]["parameters"],
            "seconds": sum(row["seconds"] for row in rows) / len(rows),
            "seconds_to_concat": sorted(seconds)[len(seconds) // 2],
        }
    return summary


def _read(name: str, key: str, result: Mapping[str, Any]) -> Any:
    return result["variants"][name][key]


def _read_main(name: str, result: Mapping[str, Any]) -> Any:
    return result["variants"][name]["main"].unsqueeze(-1)


def _monotonicity(weights: Any, points: Any) -> float:
    """The indicator of that name."""
    from moft_indicators.monotonicity import Monotonicity

    return Monotonicity()(points, weights)


def main() -> None:
    """Trains and measures every variant, prints the table, writes JSON."""
    from benchmarks.support.datasets import make_synthetic_queries
    from benchmarks.support.reporting import machine, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=tuple(CONFIGS))
    parser.add_argument("--only", nargs="*", help="names of variants beside concat")
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/conditioners"), help="folder for synthetic data")
    parser.add_argument("--lists", type=int, default=300, help="synthetic training queries")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.data != "mslr":
        make_synthetic_queries(options.data, options.lists, options.out)
    elif "MSLR" not in os.environ:
        parser.error("set MSLR to a folder with train.txt, vali.txt and test.txt")
    known = variants_of(options.split)
    variants = {name: known[name] for name in ([BASELINE, *options.only] if options.only else known)}

    def save(seeds: int, found: dict[str, Any]) -> None:
        show(found, f"{options.data}, {options.split} split, seeds 0 to {seeds - 1}")
        setup = {"data": options.data, "split": options.split, "seeds": seeds, "folds": FOLDS[options.data]}
        write_result(f"conditioners-{options.data}-{options.split}", {"setup": setup, "machine": machine(), "variants": found})

    measure(options.data, variants, options.split, options.seeds, options.processes, save)


def show(found: Mapping[str, Any], title: str) -> None:
    """Prints the table."""
    from benchmarks.support.reporting import print_table

    def brackets(pair: Sequence[float]) -> str:
        return f"[{1000 * pair[0]:.2f}, {1000 * pair[1]:.2f}]"

    rows = [
        [
            name,
            f"{1000 * one['hypervolume']:.2f} {brackets(one['hypervolume_ci'])}",
            f"{1000 * one['more_than_concat']:.2f} {brackets(one['more_than_concat_ci'])}",
            *(f"{value:.2f}" for value in one["ratio"]),
            f"{one['monotonicity']:.2f}",
            f"{one['main']:.3f}",
            f"{one['parameters']:,}",
            f"{one['seconds_to_concat']:.2f}",
        ]
        for name, one in found.items()
    ]
    headers = ["conditioner", "HV/1e-3", "more than concat", "I", "II", "III", "IV", "V", "mono", "main", "parameters", "time"]
    print_table(title, headers, rows)


if __name__ == "__main__":
    main()
