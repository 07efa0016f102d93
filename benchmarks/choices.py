"""Whether chosen weights keep their bounds on new data as often as was asked, and how much of the possible they reach.

For every seed, and every fold of the real queries, a policy is trained. Wishes are drawn at random: one or two bounds between the
value of the base ranker and the best measured one (for what the base ranker is best at, between the lowest one and its own), and
an outcome to maximise. Each wish is chosen on the validation split at three confidences, and measured once on the test split:

- held: share of the promised choices that keep all bounds on the test split, with its standard error over the policies.
- reached: the maximised outcome on the test split, beside what the same search finds when it searches the test split itself.

Beside them stands the naive way: the best of the same measured tradeoffs whose validation means keep the bounds. The surrogate's
error is that on 50 tradeoffs that were not measured for it, as a share of the reachable range.

Run it:  MSLR=path/to/mslr python benchmarks/choices.py mslr-trees --folds 5 --out runs/choices-mslr-trees
         python benchmarks/choices.py synthetic-5 --out runs/choices-synthetic-5
         python benchmarks/choices.py synthetic-2 --out runs/choices-synthetic-2
What is already measured in the output folder is not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[1]
CONFIGS = {
    "mslr-trees": ROOT / "configs" / "ltr" / "mslr-trees.yaml",
    "mslr": ROOT / "configs" / "ltr" / "mslr.yaml",
    "synthetic-2": ROOT / "configs" / "ltr" / "synthetic.yaml",
    "synthetic-5": ROOT / "configs" / "ltr" / "synthetic-5.yaml",
}
CONFIDENCES = (0.8, 0.9, 0.95)
UNSEEN = 50
TARGETS = {"reached": 0.97, "error": 0.025, "tau": 0.95}


@dataclass
class InMemory:
    """Measured points, kept as long as the process runs; each is measured by itself."""

    kind: str = "policy"
    rows: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> InMemory:
        return InMemory(kind, self.rows)

    def find(self, rows: Any) -> Any:
        from moft.engine.fronts.kept_points import joined

        keys = self._keys(rows)
        return joined([self.rows[key] for key in keys]) if all(key in self.rows for key in keys) else None

    def keep(self, rows: Any, values: Any, seconds: float) -> None:
        from dataclasses import replace

        for place, key in enumerate(self._keys(rows)):
            at = slice(place, place + 1)
            self.rows[key] = replace(values, values=values.values[at], main=values.main[at], more={})

    def _keys(self, rows: Any) -> list[str]:
        whole = rows.expand(len(rows))
        return [str((self.kind, *pair)) for pair in zip(whole.weights.tolist(), whole.betas.tolist(), strict=True)]


def wishes(names: Sequence[str], measured: Any, count: int, seed: int) -> Iterator[Any]:
    """Wishes drawn at random from what was measured on the validation split."""
    import numpy as np

    from moft.engine.choices.wish import Bound, Maximise, Wish

    draws = np.random.default_rng(seed)
    base, (low, high) = measured.base_means.tolist(), measured.reach.tolist()
    for _ in range(count):
        bounded = int(draws.integers(1, min(2, len(names) - 1) + 1))
        places = draws.choice(len(names), size=bounded + 1, replace=False).tolist()
        bounds = []
        for place in places[:-1]:
            is_best = high[place] <= base[place]
            least, most = (low[place], base[place]) if is_best else (base[place], high[place])
            value = least + float(draws.uniform()) * (most - least)
            is_share = draws.uniform() < 0.5 and base[place] > 0
            bounds.append(Bound(names[place], value / base[place], "base") if is_share else Bound(names[place], value))
        yield Wish(bounds, Maximise(places[-1]))


def measure_policy(job: tuple[str, Path, int, int, int, int, int]) -> float:
    """Trains one policy, chooses and measures for every wish, and keeps the outcome as JSON; returns the seconds."""
    import torch

    from benchmarks.support.datasets import make_synthetic_queries
    from benchmarks.support.train_and_measure import Experiments
    from moft.run.policy.choices.outcomes import OutcomeMeter
    from moft.types import betas_of

    data, out, seed, fold, folds, count, lists = job
    started, file = time.perf_counter(), out / f"{seed}-{fold}.json"
    if file.exists():
        return 0.0
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    if data.startswith("synthetic"):
        make_synthetic_queries(data, lists, out / f"queries-{seed}", seed=seed)
    usual = [f"seed={seed}", "trainer.device=cpu", "trainer.threads=1"]
    usual += [f"task.folds={folds}", f"task.fold={fold}"] if folds else []
    trained = Experiments(CONFIGS[data], usual).run([], split="validation")
    names = (*(each.name for each in trained.task.objectives), "main")
    run = SimpleNamespace(task=trained.task, policy=trained.policy, trained_betas=betas_of(trained.task.objectives))
    meters = {
        split: OutcomeMeter(run, trained.evaluator, trained.task.batches(split), names, InMemory())  # type: ignore[arg-type]
        for split in ("validation", "test")
    }
    record = {"surrogate": surrogate_errors(meters["validation"]), "wishes": chosen(names, meters, count, seed * 100 + fold)}
    file.write_text(json.dumps(record), encoding="utf-8")
    return time.perf_counter() - started


def chosen(names: Sequence[str], meters: Mapping[str, Any], count: int, seed: int) -> list[dict[str, Any]]:
    """For every wish, what each confidence, the naive way and a search of the test split reach."""
    from dataclasses import replace

    import torch

    from moft.engine.choices.search import search
    from moft.engine.choices.wish_settings import WishSettings
    from moft.run.policy.choices.make_choice import effort_of

    validation, test = meters["validation"], meters["test"]
    m = len(names) - 1
    effort = replace(effort_of(WishSettings(maximise="main"), m, 11, test.lists.lists, is_long=False), samples=500)
    first = validation(effort.first)
    found = []
    for wish in wishes(names, first, count, seed):
        place, row = wish.goal.place, dict[str, Any]()
        oracle = search(test, test.served, replace(wish, confidence=0.0), effort)
        row["oracle"] = oracle.candidates.means[oracle.selected.row, place].item() if oracle.selected.is_promised else None
        row["base"] = oracle.candidates.base_means[place].item()
        for confidence in (0.0, *CONFIDENCES):
            began = time.process_time()
            own = search(validation, validation.served, replace(wish, confidence=confidence), effort)
            seconds = time.process_time() - began
            tested = test(own.places.select(torch.tensor([own.selected.row])))
            gaps = [tested.means[0, names.index(bound.outcome)].item() - tested.threshold(bound) for bound in wish.bounds]
            row[str(confidence)] = {
                "is_promised": own.selected.is_promised,
                "held": min(gaps) >= 0,
                "reached": tested.means[0, place].item(),
                "said": own.selected.confidence,
                "seconds": seconds,
            }
        found.append(row)
    return found


def surrogate_errors(meter: Any) -> dict[str, Any]:
    """The error of a surrogate on tradeoffs that it has not seen, and on those with a dial of 1."""
    import torch
    from scipy.stats import kendalltau

    from moft.engine.choices.search import DialledWeights, scattered
    from moft.engine.choices.surrogate import OutcomeSurrogate
    from moft.engine.choices.wish_settings import WishSettings
    from moft.run.policy.choices.make_choice import effort_of

    m = len(meter.names) - 1
    settings = WishSettings(maximise="main")
    first = effort_of(settings, m, 11, 1, is_long=False).first
    measured = meter(first)
    surrogate = OutcomeSurrogate(first.weights, first.dials, measured.means, measured.base_means)
    drawn = scattered(m, UNSEEN, settings.dials, 12345)
    size = (measured.reach[1] - measured.reach[0]).clamp(min=1e-12)
    result: dict[str, Any] = {"held out": surrogate.held_out().share}
    for name, places in (("weights and dial", drawn), ("weights", DialledWeights(drawn.weights, torch.ones(UNSEEN)))):
        told, predicted = meter(places).means, surrogate.predict(places.weights, places.dials)
        tau = [float(kendalltau(told[:, at], predicted[:, at]).statistic) for at in range(m + 1)]
        result[name] = {"error": ((told - predicted).abs().mean(0) / size).tolist(), "tau": tau}
    return result


def summary(out: Path) -> dict[str, Any]:
    """Shares and ratios over all policies of a folder, with standard errors over the policies."""
    records = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(out.glob("*-*.json"))]
    choices, surrogates = dict[str, Any](), dict[str, Any]()
    for confidence in (0.0, *CONFIDENCES):
        by_policy = [[row[str(confidence)] | {"oracle": row["oracle"]} for row in record["wishes"]] for record in records]
        promised = [[row for row in rows if row["is_promised"]] for rows in by_policy]
        held = [sum(row["held"] for row in rows) / len(rows) for rows in promised if rows]
        ratios = [row["reached"] / row["oracle"] for rows in promised for row in rows if row["oracle"]]
        every = [row for rows in promised for row in rows]
        share, error = _mean([float(row["held"]) for row in every]), _standard_error(held)
        choices["naive" if confidence == 0 else f"{confidence:g}"] = {
            "promised": len(every),
            "held": share,
            "standard error": error,
            "reached": _mean(ratios),
            "seconds": _mean([row["seconds"] for rows in by_policy for row in rows]),
            "met": None if confidence == 0 else share >= confidence - error,
        }
    for name in ("weights and dial", "weights"):
        errors = [value for record in records for value in record["surrogate"][name]["error"]]
        taus = [value for record in records for value in record["surrogate"][name]["tau"]]
        surrogates[name] = {
            "error": _mean(errors),
            "tau": _mean(taus),
            "met": _mean(errors) <= TARGETS["error"] and _mean(taus) >= TARGETS["tau"],
        }
    counts = {"policies": len(records), "wishes": sum(len(record["wishes"]) for record in records)}
    return {**counts, "choices": choices, "surrogates": surrogates}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _standard_error(values: Sequence[float]) -> float:
    if len(values) < 2:
        return math.nan
    mean = _mean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))


def main() -> None:
    """Trains, chooses, prints the table and writes JSON."""
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=list(CONFIGS))
    parser.add_argument("--out", type=Path, required=True, help="folder for what was measured")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--wishes", type=int, default=10, help="of each policy")
    parser.add_argument("--lists", type=int, default=300, help="synthetic training queries; validation and test have a third")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    folds = range(max(1, options.folds))
    jobs = [
        (options.data, options.out, seed, fold, options.folds, options.wishes, options.lists)
        for seed in range(options.seeds)
        for fold in folds
    ]
    with get_context("spawn").Pool(options.processes, maxtasksperchild=1) as pool:
        for index, seconds in enumerate(pool.imap_unordered(measure_policy, jobs), start=1):
            print(f"{index} of {len(jobs)} policies done, the last in {seconds:.0f} s", flush=True)
    found = summary(options.out)
    columns = ["promised", "held", "standard error", "reached", "seconds"]
    rows = [[name, *(f"{row[column]:.3g}" for column in columns)] for name, row in found["choices"].items()]
    print_table(f"{found['wishes']} wishes of {found['policies']} policies", ["confidence", *columns], rows)
    print(found["surrogates"])
    setup = {"data": options.data, "seeds": options.seeds, "folds": options.folds, "wishes": options.wishes}
    write_result(f"choices-{options.data}", {"setup": setup, "machine": machine("scikit-learn"), "targets": TARGETS, **found})


if __name__ == "__main__":
    main()
