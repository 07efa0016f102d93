"""The dial on rankers: compares policies that were trained at other betas and moved to beta 1 with one trained at 1.

Weight-COS-DPO policies are trained at betas 0.5, 1 and 2 on synthetic queries with two objectives, and each is moved to beta 1 by
dividing its correction. In theory, all three have the same optimum. Measured on the test split is how close the trained fronts
are: hypervolumes with paired verdicts, and for every point of the grid and every objective the difference from the policy trained
at 1, with its paired interval over the queries. Values are means over seeds.

Run it:  python benchmarks/dial_vs_retraining.py
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parents[1] / "configs" / "ltr" / "synthetic.yaml"
TRAINED_AT = (0.5, 1.0, 2.0)


def measure(lists: int, seeds: int, overrides: list[str]) -> dict[str, Any]:
    """Fronts at beta 1 of policies trained at each of the betas."""
    import torch

    from benchmarks.support.train_and_measure import Experiments
    from moft.engine.fronts.bootstrap import bootstrap_hypervolume, bootstrap_means, interval, resampled
    from moft.engine.fronts.hypervolume import hypervolume
    from moft.engine.fronts.paired_bootstrap import paired_differences
    from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

    with tempfile.TemporaryDirectory() as folder:
        make_synthetic(Path(folder) / "data", Synthetic(lists=lists))
        os.environ["SYNTHETIC"] = str(Path(folder) / "data")
        experiments = Experiments(CONFIG, ["trainer.device=cpu", "trainer.threads=1", *overrides])
        found: dict[float, list[torch.Tensor]] = {trained: [] for trained in TRAINED_AT}
        for seed in range(seeds):
            for trained in TRAINED_AT:
                # the front is measured at the betas of the objectives, which are 1
                fixed = f"method.betas={{name: fixed, value: [{trained}, {trained}]}}"
                found[trained].append(experiments.run([f"seed={seed}", fixed], split="test").front.measured.values)
            print(f"seed {seed} done", flush=True)
    values = {trained: torch.stack(each).mean(0) for trained, each in found.items()}  # [n, lists, m]
    counts, origin = resampled(values[1.0].shape[1], 1000, 0), torch.zeros(2, dtype=torch.float64)
    volumes = {trained: bootstrap_hypervolume(each, counts, origin) for trained, each in values.items()}
    estimates = torch.tensor([[hypervolume(each.nanmean(1), origin) for each in values.values()]], dtype=torch.float64)
    drawn = torch.stack(list(volumes.values()), dim=1).unsqueeze(1)  # [samples, 1, runs]
    verdicts = paired_differences(estimates, drawn, values[1.0].shape[1], 0.95)
    moved = {}
    for trained in (0.5, 2.0):
        difference = values[trained] - values[1.0]
        ends = interval(bootstrap_means(difference, counts))  # [n, m, 2]
        includes_zero = ((ends[..., 0] <= 0) & (ends[..., 1] >= 0)).float()
        intervals = interval(bootstrap_means(values[1.0], counts))  # of the policy trained at 1
        points = values[trained].nanmean(1)
        moved[f"trained at {trained:g}"] = {
            "largest difference of a point": difference.nanmean(1).abs().max().item(),
            "share of points inside the intervals of the policy trained at 1": (
                ((intervals[..., 0] <= points) & (points <= intervals[..., 1])).float().mean().item()
            ),
            "share of paired intervals that include zero": includes_zero.mean().item(),
        }
    return {
        "lists": lists,
        "seeds": seeds,
        "hypervolume": {
            f"trained at {trained:g}": {"value": volume, "low": low, "high": high}
            for (trained, drawn_volumes), volume in zip(volumes.items(), estimates[0].tolist(), strict=True)
            for low, high in [interval(drawn_volumes).tolist()]
        },
        "moved": moved,
        "verdicts": [
            {
                "pair": f"{TRAINED_AT[one.first]:g} and {TRAINED_AT[one.second]:g}",
                "difference": one.value,
                "p": one.p,
                "verdict": "significant" if one.is_significant else "not significantly different",
            }
            for one in verdicts
        ],
    }


def main() -> None:
    """Prints the tables and writes JSON."""
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="override, as for moft train")
    options = parser.parse_args()
    found = measure(options.lists, options.seeds, options.set)
    rows = [
        [name, f"{one['value']:.4f} [{one['low']:.4f}, {one['high']:.4f}]", *map(_three, found["moved"].get(name, {}).values())]
        for name, one in found["hypervolume"].items()
    ]
    rows = [[*row, *[""] * (5 - len(row))] for row in rows]
    print_table("At beta 1", ["", "hypervolume", "largest difference", "inside intervals of 1", "paired"], rows)
    for verdict in found["verdicts"]:
        print(f"{verdict['pair']}: {verdict['difference']:+.4f}, {verdict['verdict']} (p {verdict['p']:.2g})")
    write_result("dial", {"machine": machine(), **found})


def _three(value: float) -> str:
    return f"{value:.3f}"


if __name__ == "__main__":
    main()
