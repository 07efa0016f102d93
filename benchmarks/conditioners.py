"""Which conditioner when: each of them, some mixes and FiLM under other samplers, with everything else alike.

The lists are MSLR-175 in five folds, or a synthetic set with five objectives. For every fold and seed one model is trained with
each variant, and one plain model for each objective alone. Said of each: hypervolume with its interval and its paired difference
from concat's, the vertex ratio (objective j at e_j against the plain model), monotonicity, main score, trained parameters and the
processor time of a training beside concat's. Lists are pooled over folds and averaged over seeds; intervals are from a bootstrap
over lists. Adaptive samplers measure the validation split while they train, so they are left out of what is said of that split.

Run it:  MSLR=path/to/mslr python benchmarks/conditioners.py mslr                   (validation split, to choose the default by)
         MSLR=path/to/mslr python benchmarks/conditioners.py mslr --split test      (test split, once)
         python benchmarks/conditioners.py synthetic-5 --split test --out runs/conditioners-synthetic-5
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
AGAINST = "concat"

CONDITIONERS: Mapping[str, str] = {
    AGAINST: "concat",
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
    "film, adaptive toward what is ignored": "{name: adaptive, toward: ignored}",
}
"""Beside plain Dirichlet draws with the same share of vertices, which all conditioners above have."""


def variants_of(split: str) -> dict[str, list[str]]:
    """Overrides by name of all that may be measured on the split."""
    found = {name: [f"method.conditioner={text}"] for name, text in CONDITIONERS.items()}
    for name, text in SAMPLERS.items():
        if split == "test" or "adaptive" not in text:
            found[name] = ["method.conditioner=film", f"method.sampler={text}"]
    return found


def measure(
    data: str,
    variants: Mapping[str, list[str]],
    split: str,
    seeds: int,
    processes: int,
    keep: Callable[[int, dict[str, Any]], None],
) -> None:
    """Hands what was found of every variant to `keep`, whenever another seed is whole."""
    folds = FOLDS[data] or 1
    jobs = [(data, dict(variants), split, fold, seed) for seed in range(seeds) for fold in range(folds)]
    with get_context("spawn").Pool(processes) as pool:
        found = []
        for result in pool.imap(_one, jobs):
            found.append(result)
            print(f"{len(found)} of {len(jobs)} folds done", flush=True)
            if len(found) % folds == 0:
                keep(len(found) // folds, summaries(found, folds))


def _one(job: tuple[str, Mapping[str, list[str]], str, int, int]) -> dict[str, Any]:
    """Every variant on one fold with one seed, and the plain models."""
    import torch

    from benchmarks.experiments import Experiments, plain_model

    data, variants, split, fold, seed = job
    usual = [f"seed={seed}", "trainer.threads=1", "trainer.device=cpu"]
    if FOLDS[data]:
        usual += [f"task.folds={FOLDS[data]}", f"task.fold={fold}"]
    if split == "validation":
        usual.append("trainer.evaluations=0")  # else the weights would be chosen on the lists that are measured
    experiments = Experiments(CONFIGS[data], usual)
    run = partial(experiments.run, split=split)
    vertices = torch.eye(5)
    alone = [run(plain_model(vertex.tolist()), weights=vertex.unsqueeze(0)) for vertex in vertices]
    plain = torch.stack([found.front.measured.values[0, :, index] for index, found in enumerate(alone)], dim=-1)
    result: dict[str, Any] = {"plain": plain, "objectives": alone[0].front.objectives, "variants": {}}
    for name, overrides in variants.items():
        one = run(overrides)
        result["variants"][name] = {
            "weights": one.front.tradeoffs.weights,
            "values": one.front.measured.values,
            "main": one.front.measured.main,
            "seconds": one.processor,
            "parameters": one.account.parameters,
        }
    return result


def summaries(found: Sequence[Mapping[str, Any]], folds: int) -> dict[str, Any]:
    """What was found of each variant over all lists, whose values are first averaged over seeds."""
    import torch

    from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, interval, resampled
    from moft.engine.fronts.hypervolume import hypervolume

    def pooled(read: Callable[[Mapping[str, Any]], Any]) -> torch.Tensor:
        seeds = [found[first : first + folds] for first in range(0, len(found), folds)]
        each = torch.stack([torch.cat([read(result) for result in of_seed], dim=-2) for of_seed in seeds])
        return torch.nanmean(each, dim=0)

    plain = pooled(lambda result: result["plain"])  # [lists, m]
    m = plain.shape[1]
    counts = resampled(len(plain), 1000, 0)
    origin = torch.zeros(m, dtype=torch.float64)
    values = {name: pooled(partial(_read, name, "values")) for name in found[0]["variants"]}  # each [n, lists, m]
    volumes = {name: bootstrap_hypervolume(one, counts, origin) for name, one in values.items()}
    against = hypervolume(values[AGAINST].nanmean(1), origin)
    summary: dict[str, Any] = {}
    for name, one in values.items():
        corner = torch.stack([one[index, :, index] for index in range(m)], dim=-1)  # [lists, m]
        samples = bootstrap_means(torch.stack([corner, plain]), counts)  # [samples, 2, m]
        rows = [result["variants"][name] for result in found]
        whole = hypervolume(one.nanmean(1), origin)
        seconds = [row["seconds"] / result["variants"][AGAINST]["seconds"] for row, result in zip(rows, found, strict=True)]
        summary[name] = {
            "hypervolume": whole,
            "hypervolume_ci": interval(volumes[name]).tolist(),
            "more_than_concat": whole - against,
            "more_than_concat_ci": interval(volumes[name] - volumes[AGAINST]).tolist(),
            "ratio": (corner.nanmean(0) / plain.nanmean(0)).tolist(),
            "ratio_ci": interval(samples[:, 0] / samples[:, 1]).tolist(),
            "monotonicity": _monotonicity(rows[0]["weights"], one.nanmean(1)),
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
    """As the indicator of that name has it."""
    from moft_indicators.monotonicity import Monotonicity

    return Monotonicity()(points, weights)


def main() -> None:
    """Trains and measures every variant, prints the table, writes JSON."""
    from benchmarks.common import machine, make_lists, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=tuple(CONFIGS))
    parser.add_argument("--only", nargs="*", help="names of variants beside concat")
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/conditioners"), help="where synthetic lists go")
    parser.add_argument("--lists", type=int, default=300, help="synthetic training lists")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    if options.data != "mslr":
        make_lists(options.data, options.lists, options.out)
    elif "MSLR" not in os.environ:
        parser.error("set MSLR to a folder with train.txt, vali.txt and test.txt")
    known = variants_of(options.split)
    variants = {name: known[name] for name in ([AGAINST, *options.only] if options.only else known)}

    def keep(seeds: int, found: dict[str, Any]) -> None:
        show(found, f"{options.data}, {options.split} split, seeds 0 to {seeds - 1}")
        setup = {"data": options.data, "split": options.split, "seeds": seeds, "folds": FOLDS[options.data]}
        write_result(f"conditioners-{options.data}-{options.split}", {"setup": setup, "machine": machine(), "variants": found})

    measure(options.data, variants, options.split, options.seeds, options.processes, keep)


def show(found: Mapping[str, Any], title: str) -> None:
    """The table on the terminal."""
    from benchmarks.common import print_table

    def between(pair: Sequence[float]) -> str:
        return f"[{1000 * pair[0]:.2f}, {1000 * pair[1]:.2f}]"

    rows = [
        [
            name,
            f"{1000 * one['hypervolume']:.2f} {between(one['hypervolume_ci'])}",
            f"{1000 * one['more_than_concat']:.2f} {between(one['more_than_concat_ci'])}",
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
