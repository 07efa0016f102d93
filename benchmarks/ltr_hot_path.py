"""How long the scorer of a run takes for one query of 100 documents, and how many documents a second it scores, in one thread.

Synthetic queries (131 features, two objectives) are made in a temporary folder, and three policies are trained on them for a
short time: trees over a LightGBM base, and a network of the default size over a LightGBM base and over the default base. Then
`run.scorer(...)` scores 1,000 queries, each other than the one before it, since a query that is repeated finds its own branches
predicted. Beside it stands `run.scores` with a table of one query. Trees, which score each document by itself, also score all
queries in one call. Documents a second are counted in processor time. About two minutes.

Run it:  OMP_NUM_THREADS=1 python benchmarks/ltr_hot_path.py [--lists 300]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.reporting import machine, print_table, write_result

ITEMS, FEATURES, QUERIES, CALLS = 100, 131, 1000, 9
TARGETS = {"trees": 0.5, "network": 1.5, "network-neural-base": 1.5}
"""Milliseconds of a query."""
SPEED_TARGET = 200_000
"""Documents a second of trees."""

CONFIG = """
task:
  name: ltr
  data: {data}
  base: {base}
  objectives: {{first: {{column: 132}}, second: {{column: 133}}}}
method: {method}
trainer: {{epochs: 1, device: cpu, threads: 1, evaluations: 1}}
profile: {{evaluator: ndcg, points: 2, bootstrap_samples: 2}}
"""
POLICIES = {
    "trees": ("{name: lambdamart, trees: 100, patience: 100}", "cos-dpo-trees"),
    "network": ("{name: lambdamart, trees: 100, patience: 100}", "cos-dpo"),
    "network-neural-base": ("{name: neural, epochs: 1}", "cos-dpo"),
}
"""Base ranker and method."""


def moft(*arguments: str) -> None:
    """Runs a command."""
    subprocess.run([sys.executable, "-m", "moft", *arguments], check=True, capture_output=True)


def milliseconds(score: Callable[[Any], object], queries: Sequence[Any]) -> dict[str, float]:
    """Of each call: the median and the 99th percentile by the clock, and the mean of processor time."""
    taken = np.empty(len(queries))
    begin = time.process_time()
    for index, query in enumerate(queries):
        start = time.perf_counter()
        score(query)
        taken[index] = time.perf_counter() - start
    processor = (time.process_time() - begin) / len(queries)
    return {"median": 1e3 * float(np.median(taken)), "p99": 1e3 * float(np.quantile(taken, 0.99)), "processor": 1e3 * processor}


def measure(lists: int) -> dict[str, Any]:
    """The times of each policy."""
    import torch

    import moft as public
    import moft_ltr

    torch.set_num_threads(1)
    draws, found = np.random.default_rng(0), dict[str, Any]()
    queries = list(draws.standard_normal((QUERIES, ITEMS, FEATURES), dtype=np.float32))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        moft("data", "make", "synthetic", f"{folder}/data", f"--lists={lists}", f"--items={ITEMS}", f"--features={FEATURES}")
        for name, (base, method) in POLICIES.items():
            (folder / "config.yaml").write_text(CONFIG.format(data=folder / "data", base=base, method=method), encoding="utf-8")
            moft("train", f"{folder}/config.yaml", "--out", f"{folder}/{name}")
            run = public.open_run(folder / name, device="cpu")
            weights = {"first": 0.3, "second": 0.7}
            start = time.perf_counter()
            scorer = run.scorer(weights)
            made = 1e3 * (time.perf_counter() - start)
            milliseconds(scorer, queries[:50])  # warms up
            own = milliseconds(scorer, queries)
            tables = [moft_ltr.table(query, [ITEMS]) for query in queries[:50]]
            whole = milliseconds(lambda table, run=run, weights=weights: run.scores(table, weights), tables)  # type: ignore[misc]
            if name == "trees":
                every = np.concatenate(queries)
                batch = milliseconds(scorer, [every] * CALLS)
            found[name] = {
                "median milliseconds": own["median"],
                "99th percentile": own["p99"],
                "processor milliseconds": own["processor"],
                "documents a second": 1e3 * ITEMS / own["processor"],
                "run.scores milliseconds": whole["median"],
                "milliseconds to make": made,
                "target milliseconds": TARGETS[name],
                "met": own["median"] <= TARGETS[name],
            }
    speed = 1e3 * len(every) / batch["processor"]
    return {
        "lists": lists,
        "threads": 1,
        "policies": found,
        "1,000 queries in one call, trees": {
            "milliseconds": batch["median"],
            "processor milliseconds": batch["processor"],
            "documents a second": speed,
        },
        "targets": {"documents a second, trees": {"target": SPEED_TARGET, "met": speed >= SPEED_TARGET}},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lists", type=int, default=300)
    found = measure(parser.parse_args().lists)
    columns = list(found["policies"]["trees"])
    rows = [[name, *(f"{row[column]:.4g}" for column in columns)] for name, row in found["policies"].items()]
    print_table("One query of 100 documents", ["policy", *columns], rows)
    batch = found["1,000 queries in one call, trees"]
    print_table("1,000 queries in one call, trees", [*batch], [[f"{value:.4g}" for value in batch.values()]])
    write_result("ltr-hot-path", {"machine": machine("lightgbm"), **found})


if __name__ == "__main__":
    main()
