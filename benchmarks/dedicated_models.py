"""Compares one policy with a dedicated model for each weighting: hypervolume and time on synthetic queries with two objectives.

The policy and each of the 11 dedicated models (sampler `fixed`, no conditioner) are trained by the same trainer for as many
epochs, in one process. Trainings of the policy alternate with those of dedicated models. The interval of the ratio of
hypervolumes is from a paired bootstrap over the test queries, whose values are first averaged over seeds. One thread computes,
and seconds are processor time, evaluations on the validation split included.

Run it:  python benchmarks/dedicated_models.py
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
    """Hypervolumes, seconds and monotonicity, over seeds of training on one dataset."""
    import torch

    from benchmarks.support.train_and_measure import Experiments, dedicated_model
    from moft.engine.fronts.bootstrap import bootstrap_hypervolume, interval, resampled
    from moft.engine.fronts.hypervolume import hypervolume
    from moft_indicators.monotonicity import Monotonicity
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    with tempfile.TemporaryDirectory() as folder:
        make_synthetic(Path(folder) / "data", Synthetic(lists=lists))
        os.environ["SYNTHETIC"] = str(Path(folder) / "data")
        usual = ["trainer.device=cpu", "trainer.threads=1", f"profile.points={POINTS}", *overrides]
        experiments = Experiments(CONFIG, usual)
        grid = torch.stack([torch.linspace(1, 0, POINTS), torch.linspace(0, 1, POINTS)], dim=1)
        policies, dedicated, policy_seconds, dedicated_seconds = [], [], [], []
        for seed in range(seeds):
            values = []
            for index, weights in enumerate(grid):
                if index == POINTS // 2:
                    policy = experiments.run([f"seed={seed}"], split="test")
                    policies.append(policy.front.measured.values)
                    policy_seconds.append(policy.processor)
                model = experiments.run(
                    [f"seed={seed}", *dedicated_model(weights.tolist())], split="test", weights=weights.unsqueeze(0)
                )
                values.append(model.front.measured.values[0])
                dedicated_seconds.append(model.processor)
            dedicated.append(torch.stack(values))
            of_models = sum(dedicated_seconds[-POINTS:])
            print(f"seed {seed}: policy {policy_seconds[-1]:.1f} s, dedicated models {of_models:.1f} s", flush=True)
    origin = torch.zeros(2)
    policy_values, dedicated_values = torch.stack(policies).nanmean(0), torch.stack(dedicated).nanmean(0)  # [11, lists, m]
    counts = resampled(policy_values.shape[1], 1000, 0)
    ratios = bootstrap_hypervolume(policy_values, counts, origin) / bootstrap_hypervolume(dedicated_values, counts, origin)
    each = [
        {"policy": hypervolume(one.nanmean(1), origin), "dedicated": hypervolume(several.nanmean(1), origin)}
        for one, several in zip(policies, dedicated, strict=True)
    ]
    return {
        "lists": lists,
        "seeds": seeds,
        "each": each,
        "ratio": sum(found["policy"] / found["dedicated"] for found in each) / seeds,
        "ratio_least": min(found["policy"] / found["dedicated"] for found in each),
        "ratio_ci": interval(ratios).tolist(),
        "monotonicity": [Monotonicity()(values.nanmean(1), grid) for values in policies],
        "policy_seconds": sum(policy_seconds) / seeds,
        "dedicated_seconds": sum(dedicated_seconds) / seeds,
        "share_of_time": sum(policy_seconds) / sum(dedicated_seconds),
        "front_policy": policy_values.nanmean(1).tolist(),
        "front_dedicated": dedicated_values.nanmean(1).tolist(),
    }


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="override, as for moft train")
    options = parser.parse_args()
    found = measure(options.lists, options.seeds, options.set)
    low, high = found["ratio_ci"]
    rows = [
        ["hypervolume, policy over 11 dedicated models", f"{found['ratio']:.4f} [{low:.4f}, {high:.4f}]", "at least 0.99"],
        ["the same, lowest of the seeds", f"{found['ratio_least']:.4f}", ""],
        ["time, policy over 11 dedicated models", f"{found['share_of_time']:.3f}", "at most 0.1"],
        ["monotonicity on 11 points, by seed", ", ".join(f"{value:.3f}" for value in found["monotonicity"]), "1.0"],
    ]
    title = f"Synthetic data, {options.lists} queries, two objectives, {options.seeds} seeds"
    print_table(title, ["", "measured", "target"], rows)
    write_result("dedicated-models", {"machine": machine(), **found})


if __name__ == "__main__":
    main()
