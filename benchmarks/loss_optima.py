"""The optima of the losses of DPO-LS and of MO-DPO on synthetic queries, computed from the labels without any network.

At their optimum, DPO-LS and Weight-COS-DPO score by `s0 + (1 / beta) log sum_j w_j target_j`, MO-DPO by
`s0 + (1 / beta) sum_j w_j log target_j`: the arithmetic and the geometric mixture of the label distributions. Both are measured
on the test split with its own labels, over the grid of 11 points, with the trained base ranker as reference.

Run it:  python benchmarks/loss_optima.py --lists 300
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from moft import ConfigError
from moft.api import Assignment, Batch, Policy, Tradeoff


class Optimum(Policy):
    """Scores every query by the mixture of its label distributions.

    Args:
        is_geometric: True for the weighted mean of logarithms, False for the logarithm of the weighted mean.
    """

    def __init__(self, *, is_geometric: bool) -> None:
        super().__init__()
        self._is_geometric = is_geometric

    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        weights = tradeoff.expand(len(batch)).weights.unsqueeze(1)  # [batch, 1, m]
        hidden = batch.labels.masked_fill(~batch.mask, torch.finfo(batch.labels.dtype).min)
        logs = hidden.log_softmax(dim=1)  # [batch, list, m]
        mixed = (weights * logs).sum(-1) if self._is_geometric else (weights * logs.exp()).sum(-1).log()
        return mixed.masked_fill(~batch.items, 0.0)

    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        return tradeoff.betas[:, :1]

    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        raise ConfigError("the optimum is computed from labels; it has no model.")


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = {m: _measure(m, options.lists, Path(folder)) for m in (2, 5)}
    rows = [[f"m = {m}", name, f"{hv:.4f}", f"{mean:.4f}"] for m, each in found.items() for name, (hv, mean) in each.items()]
    title = f"Optima on synthetic queries ({options.lists} to train the base ranker)"
    print_table(title, ["", "optimum", "hypervolume", "main"], rows)
    write_result("loss-optima", {"machine": machine(), "lists": options.lists, "found": found})


def _measure(m: int, lists: int, folder: Path) -> dict[str, tuple[float, float]]:
    """Hypervolume and mean main score of each mixture."""
    from benchmarks.cos_dpo_vs_baselines import CONFIGS
    from moft.api import AccelerateTrainer, Context, hypervolume, measure_front
    from moft.hooks.plugin_manager import Plugins
    from moft.run.run_config import read_settings
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    data = folder / f"synthetic-{m}"
    make_synthetic(data, Synthetic(lists=lists, objectives=m))
    os.environ["SYNTHETIC"] = str(data)
    plugins = Plugins()
    plugins.load(disable=["console"])
    settings = read_settings(CONFIGS[f"synthetic-{m}"], ["trainer.device=cpu", "trainer.threads=1"], plugins).make()
    task = settings.task(Context(torch.device("cpu"), settings.seed, folder))
    task.prepare(AccelerateTrainer(settings.trainer, seed=settings.seed))
    evaluator = settings.profile.evaluator(task.objectives, task.main)
    betas = torch.ones(1, m)
    grid = Tradeoff(settings.profile.grid(m).grid(settings.profile.points).float(), betas)
    found = {}
    for name, is_geometric in (("arithmetic (DPO-LS, Weight-COS-DPO)", False), ("geometric (MO-DPO)", True)):
        front = measure_front(Optimum(is_geometric=is_geometric), task, evaluator, grid, "test")
        found[name] = (hypervolume(front.points, torch.zeros(m)), float(front.main.mean()))
    return found


if __name__ == "__main__":
    main()
