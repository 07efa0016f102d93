"""Time of training dedicated models at once over training them one after another, and the difference of their losses.

DPO-LS trains 11 dedicated models on one fold of MSLR (on synthetic queries of the same size if `MSLR` is not set), at once and
one after another, in turn, in one process on all its cores. Seconds are wall time, since cores share the work, and include all
that a training does: batches, steps, and evaluations on the validation split. The estimate is the time of separate jobs that the
training at once reports.

Run it:  MSLR=path/to/mslr python benchmarks/models_at_once.py [--device cuda]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parents[1] / "configs" / "ltr" / "mslr.yaml"
METHOD = "method={name: dpo-ls, balance: none}"


def measure(epochs: int, rounds: int, overrides: list[str]) -> dict[str, Any]:
    """Seconds of both modes in every round, and the largest difference of their losses."""
    import torch

    from benchmarks.support.reporting import paired_ratio, summary
    from moft import cache_folder
    from moft.engine.seed import seed_initialisation
    from moft.engine.training.trainer import AccelerateTrainer
    from moft.hooks.plugin_manager import Plugins
    from moft.interfaces import Context, Problem
    from moft.run.run_config import read_settings
    from moft.types import Tradeoff, betas_of

    plugins = Plugins()
    plugins.load(disable=["console"])
    usual = ["task.folds=5", "task.base.epochs=2", f"trainer.epochs={epochs}", METHOD, *overrides]
    modes = {
        name: read_settings(CONFIG, [*usual, f"trainer.models_at_once={count}"], plugins).make()
        for name, count in (("separate", 1), ("together", "null"))
    }
    settings = modes["together"]
    trainer = AccelerateTrainer(settings.trainer, seed=0)
    task = settings.task(Context(trainer.device, 0, cache_folder()))
    task.prepare(trainer)
    evaluator = settings.profile.evaluator(task.objectives, task.main)

    def points(policy: Any, tradeoff: Tradeoff) -> torch.Tensor:
        from moft.engine.fronts.measure_front import measure_front

        return measure_front(policy, task, evaluator, tradeoff, "validation").points

    def train(mode: str) -> tuple[float, Any, list[Any]]:
        from moft.engine.training.jobs.job_records import NoRecords, TrainingCost

        class CostRecords(NoRecords):
            def __init__(self) -> None:
                self.costs: list[TrainingCost] = []

            def finish(self, job: str, weights: Any, account: TrainingCost) -> None:
                self.costs.append(account)

        records, problem = CostRecords(), Problem(task, lambda policy: {}, points)
        seed_initialisation(0, "policy")
        policy = settings.method.policy(problem)
        started = time.perf_counter()
        settings.method.train(policy, problem, AccelerateTrainer(modes[mode].trainer, seed=0, records=records))
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started, policy, records.costs

    seconds: dict[str, list[float]] = {"separate": [], "together": []}
    estimates, losses = [], {}
    for index in range(rounds + 1):
        for mode in ("separate", "together"):
            duration, policy, costs = train(mode)
            losses[mode] = _losses(policy, task, betas_of(task.objectives).to(trainer.device))
            if index > 0:  # the first round warms up
                seconds[mode].append(duration)
                if mode == "together":
                    estimates.append(costs[0].separate_seconds)
        print(f"round {index}: " + ", ".join(f"{mode} {values[-1:]}" for mode, values in seconds.items()), flush=True)
    return {
        "device": str(trainer.device) if trainer.device.type == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads(),
        "models": len(policy.grid),
        "epochs": epochs,
        "lists": task.batches("train").lists,
        "seconds": {mode: summary(values) for mode, values in seconds.items()},
        "ratio": paired_ratio(seconds["together"], seconds["separate"]),
        "estimate_over_separate": paired_ratio(estimates, seconds["separate"]),
        "largest_difference_of_losses": (losses["together"] - losses["separate"]).abs().max().item(),
    }


def _losses(policy: Any, task: Any, betas: Any) -> Any:
    """`[models, m]`, mean losses of every model on the training queries."""
    import torch

    from moft.engine.losses.objective_losses import ObjectiveLosses
    from moft_losses.listnet import ListNet

    costs = ObjectiveLosses(task.objectives, ListNet())
    with torch.no_grad():
        found = [
            torch.stack(
                [costs(policy.dedicated.corrections(batch, (index,))[0], batch, betas) for index in range(len(policy.grid))]
            )
            for batch in task.batches("train")
        ]
    return torch.cat(found, dim=1).mean(1)


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.support.reporting import format_summary, machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[], help="override, as for moft train")
    parser.add_argument("--name", default="models-at-once", help="of the result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if "MSLR" not in os.environ:
            from moft_ltr.data.example_data.synthetic import Synthetic, make_synthetic

            make_synthetic(Path(folder) / "data", Synthetic(lists=175, items=110, features=131, objectives=5))
            os.environ["MSLR"] = str(Path(folder) / "data")
        found = measure(options.epochs, options.rounds, [f"trainer.device={options.device}", *options.set])
    rows = [
        ["seconds, one after another", format_summary(found["seconds"]["separate"]), ""],
        ["seconds, at once", format_summary(found["seconds"]["together"]), ""],
        ["ratio", format_summary(found["ratio"]), "at most 0.7" if options.device == "cpu" else "at most 0.25"],
        ["estimate of the time of separate jobs over that time", format_summary(found["estimate_over_separate"]), ""],
        ["largest difference of losses", f"{found['largest_difference_of_losses']:.1e}", "at most 1e-4"],
    ]
    print_table(f"{found['models']} dedicated rankers, {found['lists']} queries", ["", "measured", "target"], rows)
    write_result(options.name, {"machine": machine(), **found})


if __name__ == "__main__":
    main()
