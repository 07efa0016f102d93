"""One-shot training against a model for each weighting: hypervolume and time on a synthetic set with two objectives.

The one-shot policy and each of the 11 plain models (sampler `fixed`, no conditioner) are trained by the same trainer for as many
epochs, in one process, the one-shot runs spread among the plain ones. Intervals of the ratio of hypervolumes are from a paired
bootstrap over the test lists, whose values are first averaged over seeds. One thread computes, and seconds are of its processor
time, evaluations on the validation split included.

Run it:  python benchmarks/one_shot.py
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parents[1] / "configs" / "ltr" / "synthetic.yaml"
POINTS = 11


def measure(lists: int, seeds: int, overrides: list[str]) -> dict[str, Any]:
    """Hypervolumes, seconds and monotonicity, over seeds of training on one data set."""
    import torch

    from benchmarks.experiments import Experiments, plain_model
    from moft.engine.fronts.bootstrap import bootstrap_hypervolume, interval, resampled
    from moft.engine.fronts.hypervolume import hypervolume
    from moft_indicators.monotonicity import Monotonicity
    from moft_ltr.data.synthetic import Synthetic, make_synthetic

    with tempfile.TemporaryDirectory() as folder:
        make_synthetic(Path(folder) / "data", Synthetic(lists=lists))
        os.environ["SYNTHETIC"] = str(Path(folder) / "data")
        usual = ["trainer.device=cpu", "trainer.threads=1", f"profile.points={POINTS}", *overrides]
        experiments = Experiments(CONFIG, usual)
        grid = torch.stack([torch.linspace(1, 0, POINTS), torch.linspace(0, 1, POINTS)], dim=1)
        ones, plains, one_seconds, plain_seconds = [], [], [], []
        for seed in range(seeds):
            values = []
            for index, weights in enumerate(grid):
                if index == POINTS // 2:
                    one = experiments.run([f"seed={seed}"], split="test")
                    ones.append(one.front.measured.values)
                    one_seconds.append(one.processor)
                plain = experiments.run(
                    [f"seed={seed}", *plain_model(weights.tolist())], split="test", weights=weights.unsqueeze(0)
                )
                values.append(plain.front.measured.values[0])
                plain_seconds.append(plain.processor)
            plains.append(torch.stack(values))
            print(f"seed {seed}: one-shot {one_seconds[-1]:.1f} s, plain models {sum(plain_seconds[-POINTS:]):.1f} s", flush=True)
    origin = torch.zeros(2)
    one_values, plain_values = torch.stack(ones).nanmean(0), torch.stack(plains).nanmean(0)  # [11, lists, m]
    counts = resampled(one_values.shape[1], 1000, 0)
    ratios = bootstrap_hypervolume(one_values, counts, origin) / bootstrap_hypervolume(plain_values, counts, origin)
    each = [
        {"one_shot": hypervolume(one.nanmean(1), origin), "plain": hypervolume(plain.nanmean(1), origin)}
        for one, plain in zip(ones, plains, strict=True)
    ]
    return {
        "lists": lists,
        "seeds": seeds,
        "each": each,
        "ratio": sum(found["one_shot"] / found["plain"] for found in each) / seeds,
        "ratio_least": min(found["one_shot"] / found["plain"] for found in each),
        "ratio_ci": interval(ratios).tolist(),
        "monotonicity": [Monotonicity()(one.nanmean(1), grid) for one in ones],
        "one_shot_seconds": sum(one_seconds) / seeds,
        "plain_seconds": sum(plain_seconds) / seeds,
        "share_of_time": sum(one_seconds) / sum(plain_seconds),
        "front_one_shot": one_values.nanmean(1).tolist(),
        "front_plain": plain_values.nanmean(1).tolist(),
    }


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.common import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="override, as for moft train")
    options = parser.parse_args()
    found = measure(options.lists, options.seeds, options.set)
    low, high = found["ratio_ci"]
    rows = [
        ["hypervolume, one-shot over 11 plain models", f"{found['ratio']:.4f} [{low:.4f}, {high:.4f}]", "at least 0.99"],
        ["the same, least of the seeds", f"{found['ratio_least']:.4f}", ""],
        ["time, one-shot over 11 plain models", f"{found['share_of_time']:.3f}", "at most 0.1"],
        ["monotonicity on 11 points, each seed", ", ".join(f"{value:.3f}" for value in found["monotonicity"]), "1.0"],
    ]
    print_table(f"Synthetic set, {options.lists} lists, two objectives, {options.seeds} seeds", ["", "measured", "target"], rows)
    write_result("one-shot", {"machine": machine(), **found})


if __name__ == "__main__":
    main()
