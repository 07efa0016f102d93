"""How memory and time of training a ranker grow with the dataset, up to 10,000 queries.

Synthetic queries (120 documents on average, 131 features, five objectives) are made in a temporary folder, 2 GB in all, and
removed afterwards. For each size, a process opens the converted data, prepares the ranking task (scaling and labels; base scores
come from a column, so that no base ranker is trained) and trains Weight-COS-DPO for two epochs; the second one is timed. The
processes take turns, each with a twentieth of an epoch, so that other load on the machine affects all of them.

Reported: seconds to prepare; peak memory of the process, compared with the size of its training features as 32-bit numbers and
with an idle process that has imported torch and moft; seconds per epoch and per query; and the parts of a single step for the
smallest and the largest size, which must not differ, since no part of a step depends on the size of the data.

One thread computes, and its processor time is measured.

Run it:  OMP_NUM_THREADS=1 python benchmarks/dataset_size.py [--lists 1250 2500 5000 10000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.step_cost import PARTS, parts_of_a_step
from benchmarks.support.interleaved_processes import InterleavedProcess, send_reply
from benchmarks.support.ltr_training import TimedTraining, prepare_task, weight_cos_dpo
from benchmarks.support.reporting import machine, print_table, write_result

ITEMS, FEATURES, OBJECTIVES = 120, 131, 5
TURNS = 20
MEMORY_TARGET, GROWTH_TARGET = 3.0, 1.1


def measure(*, lists: Sequence[int], budget: int) -> dict[str, Any]:
    """The measurements of every size, and how they grow."""
    import numpy as np

    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        for count in lists:
            settings = Synthetic(lists=count, items=ITEMS, features=FEATURES, objectives=OBJECTIVES, noise=0.1)
            make_synthetic(Path(temporary) / str(count), settings)
        processes = {}
        for count in lists:
            command = [sys.executable, __file__, "--serve", str(Path(temporary) / str(count)), "--budget", str(budget)]
            processes[count] = stack.enter_context(InterleavedProcess(command, 1))
        epochs: dict[int, dict[str, Any]] = {}
        while len(epochs) < len(lists):
            for count in lists:
                if count not in epochs and (found := processes[count].advance())["done"]:
                    epochs[count] = found
        sizes = [{**processes[count].facts, **epochs[count]} for count in lists]
        parts = {str(count): processes[count].advance() for count in (lists[0], lists[-1])}
    seconds = [size["epoch_seconds"] for size in sizes]
    slope, intercept = np.polyfit(lists, seconds, 1)
    fitted = slope * np.array(lists) + intercept
    per_list = [value / count for value, count in zip(seconds, lists, strict=True)]
    return {
        "sizes": sizes,
        "parts_of_a_step": parts,
        "milliseconds_per_list_fitted": 1000 * float(slope),
        "seconds_at_no_lists_fitted": float(intercept),
        "largest_relative_residual": float(np.abs(seconds / fitted - 1).max()),
        "per_list_largest_to_smallest": {"value": per_list[-1] / per_list[0], "target": GROWTH_TARGET},
        "memory_to_features": {"value": sizes[-1]["peak_to_features"], "target": MEMORY_TARGET},
    }


def serve(folder: Path, *, budget: int) -> None:
    """One size: replies once prepared, then trains for one turn per line on the standard input, then measures parts of a step."""
    import torch

    import moft.api
    from moft_ltr.base.base_ranker import ScoreColumn

    del moft.api
    torch.set_num_threads(1)
    idle = _peak()
    started, wall = time.process_time(), time.perf_counter()
    task = prepare_task(folder, folder.parent / "cache", budget=budget, base=ScoreColumn(1))
    seconds = {"prepare_seconds": time.process_time() - started, "prepare_wall_seconds": time.perf_counter() - wall}
    started = time.process_time()
    plan = task.batches("train", torch.Generator().manual_seed(0)).plan
    seconds["plan_seconds"] = time.process_time() - started
    rows = sum(int(batch.items.sum()) for batch in task.batches("train"))
    columns = task.state()["columns"]
    features = 4 * rows * len(columns)
    counts = {"lists": sum(map(len, plan)), "items": rows, "features": len(columns), "steps_per_epoch": len(plan)}
    send_reply({**counts, "features_mb": features / 1e6, "idle_mb": idle / 1e6, "prepared_peak_mb": _peak() / 1e6, **seconds})
    done = 0

    def after_step(progress: float) -> None:
        nonlocal done
        if progress < 1 and int(progress * TURNS) > done:
            done = int(progress * TURNS)
            send_reply({"done": False})
            sys.stdin.readline()

    timed = TimedTraining(task, weight_cos_dpo(OBJECTIVES, "film"), epochs=2, after_step=after_step)
    sys.stdin.readline()
    epoch = timed()[-1]
    peak = _peak()
    send_reply(
        {
            "done": True,
            "epoch_seconds": epoch,
            "milliseconds_per_list": 1000 * epoch / counts["lists"],
            "milliseconds_per_step": 1000 * epoch / counts["steps_per_epoch"],
            "peak_mb": peak / 1e6,
            "peak_to_features": peak / features,
            "peak_above_idle_to_features": (peak - idle) / features,
        }
    )
    sys.stdin.readline()
    send_reply(parts_of_a_step(task, weight_cos_dpo(OBJECTIVES, "film"), 3, steps=60))


def _peak() -> int:
    """Peak memory of this process in bytes."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def show(found: Mapping[str, Any]) -> None:
    """Prints the tables."""
    rows = [
        [
            f"{size['lists']:,}",
            f"{size['prepare_seconds']:.1f}",
            f"{size['features_mb']:.0f}",
            f"{size['idle_mb']:.0f}",
            f"{size['peak_mb']:.0f}",
            f"{size['peak_to_features']:.2f}",
            f"{size['peak_above_idle_to_features']:.2f}",
            f"{size['epoch_seconds']:.2f}",
            f"{size['milliseconds_per_list']:.3f}",
        ]
        for size in found["sizes"]
    ]
    headers = ["queries", "prepare s", "features MB", "idle MB", "peak MB", "peak / features", "(peak - idle) / features"]
    print_table("Memory and time, one thread, processor time", [*headers, "epoch s", "ms / query"], rows)
    rows = [[f"{int(name):,}", *(f"{parts[part]:.2f}" for part in PARTS)] for name, parts in found["parts_of_a_step"].items()]
    print_table("Parts of one step, ms", ["queries", *PARTS], rows)
    growth, memory = found["per_list_largest_to_smallest"], found["memory_to_features"]
    print(f"Time per query, largest over smallest size: {growth['value']:.3f} (target: within {growth['target']})")
    print(f"Largest residual of an epoch from the fitted line: {found['largest_relative_residual']:.1%}")
    print(f"Peak memory over training features, largest size: {memory['value']:.2f} (target: less than {memory['target']:g})")


def main() -> None:
    """Measures, prints the tables, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, nargs="+", default=[1250, 2500, 5000, 10000], help="training queries, ascending")
    parser.add_argument("--budget", type=int, default=2048, help="documents of a batch, padding included")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve), budget=options.budget)
        return
    found = measure(lists=options.lists, budget=options.budget)
    show(found)
    write_result("dataset-size", {"machine": machine(), "budget": options.budget, **found})


if __name__ == "__main__":
    main()
