"""What steerable trees cost beside one plain LightGBM ranker of as many trees: processor time and peak memory.

Synthetic queries (10,000 of 120 documents, 131 features, five objectives) are made as converted arrays in a temporary folder and
removed afterwards. Two processes with one thread each train on it, one after the other: LightGBM's `lambdarank` on one label,
with as many trees and leaves; and the method `cos-dpo-trees` with its defaults, over base scores from a column. Reading the
mapped file, statistics of the labels and binning count, imports do not, and the policy is not measured meanwhile. The peak
memory, imports included, is compared with the size of the training features as 32-bit numbers.

Run it:  python benchmarks/ltr_trees_cost.py [--lists 10000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.support.interleaved_processes import InterleavedProcess, resident_memory, send_reply
from benchmarks.support.reporting import machine, print_table, write_result

ITEMS, FEATURES, OBJECTIVES, TREES, LEAVES, SMALLEST_LEAF = 120, 131, 5, 120, 63, 20
TIME_TARGET, MEMORY_TARGET = 4.0, 3.0


def train_plain(folder: Path) -> None:
    """Trains LightGBM's `lambdarank` on the label of the first objective."""
    import lightgbm
    import numpy as np

    from moft_ltr.data.dataset import read_dataset

    data = read_dataset(folder / "train")
    label = np.digitize(data.features[:, FEATURES], np.quantile(data.features[:, FEATURES], [0.5, 0.75, 0.9, 0.97]))
    starts = range(0, len(label), 4096)
    blocks = [np.ascontiguousarray(data.features[begin : begin + 4096, :FEATURES]) for begin in starts]
    settings = {"objective": "lambdarank", "num_leaves": LEAVES, "min_data_in_leaf": SMALLEST_LEAF, "num_threads": 1}
    parameters = {**settings, "deterministic": True, "force_col_wise": True, "verbosity": -1}
    grouped = lightgbm.Dataset(blocks, label, group=np.diff(data.offsets), params=parameters)
    lightgbm.train(parameters, grouped, num_boost_round=TREES)


def train_steerable(folder: Path) -> None:
    """Trains `cos-dpo-trees` as a run does."""
    from benchmarks.support.ltr_training import prepare_task
    from moft.api import (
        AccelerateTrainer,
        Factory,
        Method,
        Plugins,
        Policy,
        TrainerSettings,
        component,
        problem_without_validation,
    )
    from moft_ltr.base.base_ranker import ScoreColumn

    plugins = Plugins()
    plugins.load()
    problem = problem_without_validation(prepare_task(folder, folder / "cache", objectives=OBJECTIVES, base=ScoreColumn(1)))
    kind: Any = Factory[Method[Policy]]  # type: ignore[misc]
    method = component(kind, "cos-dpo-trees", plugins)()
    policy = method.policy(problem)
    method.train(policy, problem, AccelerateTrainer(TrainerSettings(device="cpu", evaluations=0), seed=0))


def serve(kind: str, folder: Path) -> None:
    """Trains in this process, and sends the seconds of wall and processor time, and the peak memory in bytes."""
    import lightgbm  # noqa: F401 - so that its import does not count
    import torch

    torch.set_num_threads(1)
    send_reply({})
    sys.stdin.readline()
    wall, processor = time.perf_counter(), time.process_time()
    (train_plain if kind == "plain" else train_steerable)(folder)
    taken = {"seconds": time.perf_counter() - wall, "processor seconds": time.process_time() - processor}
    send_reply({**taken, "peak bytes": 1e6 * resident_memory("VmHWM")})


def measure(lists: int) -> dict[str, Any]:
    """Time and memory of both, and their ratios."""
    from moft_ltr.data.dataset import read_dataset
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "queries"
        make_synthetic(folder, Synthetic(lists=lists, items=ITEMS, features=FEATURES, objectives=OBJECTIVES, noise=0.1))
        features = len(read_dataset(folder / "train").relevance) * FEATURES * 4
        found = {}
        for kind in ("plain", "steerable"):
            with InterleavedProcess([sys.executable, "-m", "benchmarks.ltr_trees_cost", "--serve", kind, str(folder)], 1) as one:
                found[kind] = one.advance()
                found[kind]["peak of features"] = found[kind]["peak bytes"] / features
    ratio, memory = (found["steerable"][key] for key in ("processor seconds", "peak of features"))
    ratio /= found["plain"]["processor seconds"]
    return {
        "lists": lists,
        "feature bytes": features,
        "processor time of plain LightGBM": ratio,
        "trainings": found,
        "targets": {
            "processor time of plain LightGBM": {"target": TIME_TARGET, "met": ratio <= TIME_TARGET},
            "peak of features": {"target": MEMORY_TARGET, "met": memory <= MEMORY_TARGET},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lists", type=int, default=10_000)
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "FOLDER"))
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], Path(options.serve[1]))
        return
    found = measure(options.lists)
    columns = list(found["trainings"]["plain"])
    rows = [[kind, *(f"{row[column]:,.4g}" for column in columns)] for kind, row in found["trainings"].items()]
    print_table(
        f"{found['lists']:,} queries; ratio of processor times {found['processor time of plain LightGBM']:.2f}",
        ["", *columns],
        rows,
    )
    write_result("ltr-trees-cost", {"machine": machine("lightgbm"), **found})


if __name__ == "__main__":
    main()
