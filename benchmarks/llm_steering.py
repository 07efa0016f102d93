"""How generated text follows the objective weights: mean scores at 11 weights of each objective, on held-out prompts.

For each objective, its weight goes from 0 to 1 and the others share the rest equally. Reported for each: Kendall's tau between
the weight and the mean score, and the difference of last and first mean with its interval from a paired bootstrap over prompts.

Run it, on a run of configs/llm/stories.yaml:  python benchmarks/llm_steering.py RUN
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moft import open_run
from moft.api import Tradeoff

POINTS = 11
SAMPLES = 1000


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--name", default="llm-steering", help="of the result")
    parser.add_argument("--split", default="test", choices=("validation", "test"))
    options = parser.parse_args()
    started = time.perf_counter()
    opened = open_run(options.run, device="cpu")
    values = _measure(opened, rays(len(opened.names)), options.split)  # [m * POINTS, prompts, m]
    found = {name: ray_summary(values[j * POINTS : (j + 1) * POINTS, :, j]) for j, name in enumerate(opened.names)}
    weights = torch.linspace(0, 1, POINTS).tolist()
    rows = [
        [name, *(f"{mean:.2f}" for mean in one["means"]), f"{one['tau']:.2f}", "{:.2f} [{:.2f}, {:.2f}]".format(*one["ends"])]
        for name, one in found.items()
    ]
    print_table(
        f"Mean scores over {values.shape[1]} prompts of the {options.split} split, by the weight of the objective",
        ("", *(f"{weight:.1f}" for weight in weights), "tau", "last minus first"),
        rows,
    )
    seconds = time.perf_counter() - started
    write_result(options.name, {"machine": machine("transformers", "peft"), "split": options.split, "prompts": values.shape[1],
                                "weights": weights, "objectives": found, "seconds": seconds})  # fmt: skip


def rays(m: int) -> Tensor:
    """`[m * POINTS, m]`: for each objective, its weight from 0 to 1 while the others share the rest equally."""
    rising = torch.linspace(0, 1, POINTS).unsqueeze(1)  # [POINTS, 1]
    weights = []
    for j in range(m):
        rows = ((1 - rising) / (m - 1)).repeat(1, m)
        rows[:, j] = rising[:, 0]
        weights.append(rows)
    return torch.cat(weights)


def ray_summary(values: Tensor) -> dict[str, Any]:
    """Means of `[POINTS, prompts]` scores, their intervals, Kendall's tau with the weight, and last minus first mean.

    Prompts without a score are left out.
    """
    from scipy.stats import kendalltau

    from moft.engine.fronts.bootstrap import bootstrap_means, interval, resampled

    scored = values[:, ~values.isnan().any(0)].unsqueeze(-1)  # [POINTS, prompts, 1]
    counts = resampled(scored.shape[1], SAMPLES, 0)
    drawn = bootstrap_means(scored, counts)[..., 0]  # [samples, POINTS]
    means = scored.mean(1)[:, 0]
    return {
        "means": means.tolist(),
        "ci": interval(drawn).tolist(),
        "tau": float(kendalltau(range(len(means)), means.tolist()).statistic),
        "ends": [float(means[-1] - means[0]), *interval(drawn[:, -1] - drawn[:, 0]).tolist()],
    }


def _measure(opened: Any, weights: Tensor, split: str) -> Tensor:
    """`[n, prompts, m]`, scores of the text generated at each row of `weights`, for prompts with any text."""
    evaluator = opened.settings.profile.evaluator(opened.task.objectives, opened.task.main)
    tradeoff = Tradeoff(weights, opened.trained_betas).checked()
    opened.policy.eval()
    measured = evaluator(opened.policy.steer(tradeoff), opened.task.batches(split)).ordered()
    values: Tensor = measured.values
    return values[:, ~values.isnan().all(-1).all(0)]


if __name__ == "__main__":
    main()
