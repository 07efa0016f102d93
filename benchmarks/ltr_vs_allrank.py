"""Compares the training speed of the ranker with allRank 1.4.3, on the same real MSLR queries.

Three trainings take turns epoch by epoch, each in a process with the same number of threads:

- allRank: its data loader (64 queries a batch, each padded or truncated to 240 documents), its training step (`loss_batch`:
  listNet loss, gradient clipping, Adam) and its transformer (2 layers, 2 heads, width 64, feed-forward of 128, no dropout);
- moft, Weight-COS-DPO with five objectives and FiLM, in the trainer of a run: a network of the same size;
- moft, one objective without conditioning: the same work as allRank's.

Reported are documents per second of an epoch, without padding; seconds are processor time if one thread computes. Reading the
data, and scaling the 131 features for allRank, is not timed. Also reported is the share of padding in moft's batches.

allRank is not a dependency of moft. It pins old packages, so it needs a separate environment:

    python -m venv allrank && allrank/bin/pip install torch==2.13.0 && allrank/bin/pip install --no-deps allRank==1.4.3
    allrank/bin/pip install numpy scikit-learn attrs

The driver replaces other packages that allRank imports but does not use here (torchvision's `Compose`, Google storage,
TensorBoard).

Run it:  OMP_NUM_THREADS=1 python benchmarks/ltr_vs_allrank.py --allrank-python allrank/bin/python [--threads 1] [--rounds 7]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.support.interleaved_processes import InterleavedProcess, send_reply
from benchmarks.support.ltr_training import TimedTraining, mslr_queries, prepare_task, weight_cos_dpo
from benchmarks.support.reporting import format_summary, machine, paired_ratio, print_table, summary, write_result

ALLRANK, COS, PLAIN = "allRank", "moft, Weight-COS, m = 5", "moft, one objective"
KINDS: Mapping[str, tuple[int, str | None]] = {COS: (5, "film"), PLAIN: (1, None)}
BUDGETS = (1024, 2048, 4096)

DRIVER = '''
"""Times epochs of allRank's training step, one for each line on the standard input."""
import json, sys, time, types

class Compose:
    def __init__(self, steps):
        self.steps = steps
    def __call__(self, sample):
        for step in self.steps:
            sample = step(sample)
        return sample

for name in ("torchvision", "torchvision.transforms", "gcsfs", "pkg_resources", "tensorboardX"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
sys.modules["torchvision.transforms"].Compose = Compose
sys.modules["pkg_resources"].Requirement = sys.modules["pkg_resources"].resource_filename = None
sys.modules["tensorboardX"].SummaryWriter = None

import torch
from functools import partial
from allrank.config import TransformerConfig
from allrank.data.dataset_loading import create_data_loaders, load_libsvm_dataset_role
from allrank.models.losses import listNet
from allrank.models.model import make_model
from allrank.training.train_utils import loss_batch

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(0)
clock = time.process_time if threads == 1 else time.perf_counter
train = load_libsvm_dataset_role("train", folder, 240)
loader, _ = create_data_loaders(train, train, num_workers=0, batch_size=64)
network = make_model(
    {"sizes": [64], "input_norm": False, "activation": None, "dropout": 0.0},
    TransformerConfig(N=2, d_ff=128, h=2, positional_encoding=None, dropout=0.0),
    {"d_output": 1, "output_activation": None},
    train.shape[-1],
)
optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
network.train()
parameters = sum(parameter.numel() for parameter in network.parameters())
print("reply", json.dumps({"parameters": parameters}), flush=True)
for line in sys.stdin:
    items, padded, started = 0, 0, clock()
    for features, labels, indices in loader:
        loss_batch(network, listNet, features, labels, indices, 1.0, optimizer)
        items, padded = items + int((labels != -1).sum()), padded + labels.numel()
    print("reply", json.dumps({"items": items, "padded": padded, "seconds": clock() - started}), flush=True)
'''


def measure(*, allrank_python: str, rounds: int, threads: int, budget: int) -> dict[str, Any]:
    """Documents per second of the three trainings, ratios to allRank, and shares of padding."""
    with mslr_queries() as (folder, description), tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        cache = Path(temporary) / "cache"
        task = prepare_task(folder, cache, budget=budget)
        _write_lists(task, Path(temporary))
        driver = Path(temporary) / "driver.py"
        driver.write_text(DRIVER, encoding="utf-8")
        commands = {ALLRANK: [allrank_python, str(driver), temporary, str(threads)]}
        for name in KINDS:
            commands[name] = [sys.executable, __file__, "--serve", name, "--threads", str(threads), "--budget", str(budget)]
            commands[name] += ["--lists", str(folder), "--cache", str(cache)]
        processes = {name: stack.enter_context(InterleavedProcess(command, threads)) for name, command in commands.items()}
        found: dict[str, list[dict[str, float]]] = {name: [] for name in processes}
        for round_ in range(rounds + 1):
            for name in list(processes)[:: 1 if round_ % 2 == 0 else -1]:
                found[name].append(processes[name].advance())
        speeds = {name: [epoch["items"] / epoch["seconds"] for epoch in epochs[1:]] for name, epochs in found.items()}
        return {
            "data": description,
            "threads": threads,
            "clock": "processor time" if threads == 1 else "wall time",
            "parameters": {name: process.facts["parameters"] for name, process in processes.items()},
            "documents_per_second": {name: summary(values) for name, values in speeds.items()},
            "ratio_to_allrank": {name: paired_ratio(speeds[name], speeds[ALLRANK]) | {"target": 3} for name in KINDS},
            "padding": {
                "allRank, 240 items a list": 1 - found[ALLRANK][0]["items"] / found[ALLRANK][0]["padded"],
                **{f"moft, batches of {budget}": _padding(task, budget) for budget in BUDGETS},
            },
        }


def serve(name: str, *, lists: Path, cache: Path, threads: int, budget: int) -> None:
    """A training with moft, one epoch for each line on the standard input."""
    m, conditioner = KINDS[name]
    task = prepare_task(lists, cache, objectives=m, budget=budget)
    timed = TimedTraining(task, weight_cos_dpo(m, conditioner), epochs=2, threads=threads)
    facts = {"parameters": sum(parameter.numel() for parameter in timed.policy.parameters())}
    send_reply(facts)
    lengths = [int(batch.items.sum()) for batch in task.batches("train")]
    for _ in sys.stdin:
        send_reply({"items": sum(lengths), "seconds": timed()[0]})


def _padding(task: Any, budget: int, shuffles: int = 50) -> float:
    """Mean share of padding over shuffles."""
    import torch

    from moft.engine.data.length_batching import length_grouped, padding_share

    lengths = torch.cat([batch.items.sum(1) for batch in task.batches("train")])
    plans = [length_grouped(lengths, budget, torch.Generator().manual_seed(seed)) for seed in range(shuffles)]
    return sum(padding_share(lengths, plan) for plan in plans) / shuffles


def _write_lists(task: Any, folder: Path) -> None:
    """Writes the training queries for allRank: scaled features, and relevance."""
    with (folder / "train.txt").open("w", encoding="ascii") as file:
        for batch in task.batches("train"):
            for row, qid in enumerate(batch.lists.tolist()):
                count = int(batch.items[row].sum())
                features, grades = batch.inputs["features"][row, :count].tolist(), batch.main[row, :count].tolist()
                for values, grade in zip(features, grades, strict=True):
                    columns = " ".join(f"{column}:{value:.6g}" for column, value in enumerate(values, start=1))
                    file.write(f"{grade:g} qid:{qid + 1} {columns}\n")


def show(found: Mapping[str, Any]) -> None:
    """Prints the tables."""
    rows = []
    for name, speed in found["documents_per_second"].items():
        ratio = found["ratio_to_allrank"].get(name)
        rows.append(
            [name, str(found["parameters"][name]), format_summary(speed, 0), "1" if ratio is None else format_summary(ratio)]
        )
    title = f"Training on {found['data']}, {found['threads']} thread(s), {found['clock']}; target: 3 times allRank"
    print_table(title, ["training", "parameters", "documents per second (quartiles)", "times allRank"], rows)
    shares = [[name, f"{share:.1%}"] for name, share in found["padding"].items()]
    print_table("Padding; target of moft: at most 10 %", ["batches", "share"], shares)


def main() -> None:
    """Measures, prints the tables, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--allrank-python", help="Python interpreter with allRank")
    parser.add_argument("--rounds", type=int, default=7, help="epochs of each training, after one to warm up")
    parser.add_argument("--threads", type=int, default=1, help="threads of each training")
    parser.add_argument("--budget", type=int, default=2048, help="documents of moft's batches, padding included")
    for option in ("--serve", "--lists", "--cache"):
        parser.add_argument(option, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, lists=Path(options.lists), cache=Path(options.cache), threads=options.threads, budget=options.budget)
        return
    if options.allrank_python is None:
        parser.error("--allrank-python is required: a Python interpreter with allRank (see --help).")
    settings = {"rounds": options.rounds, "threads": options.threads, "budget": options.budget}
    found = measure(allrank_python=options.allrank_python, **settings)
    show(found)
    write_result("ltr_vs_allrank", {"machine": machine(), "allrank": "1.4.3", **settings, **found})


if __name__ == "__main__":
    main()
