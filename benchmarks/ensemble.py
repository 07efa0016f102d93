"""Plain models trained together against one after another: time, and whether their losses are the same.

DPO-LS trains 11 plain models on the training lists of one fold of MSLR lists (synthetic ones of the same size where `MSLR` is
not set), once together and once one after another, in turn, in one process and on all its cores. Seconds are on the clock, since
cores share the work, and hold all that a run does: batches, steps, evaluations on the validation split. The estimate is what the
run that trains together says that separate jobs would have taken.

Run it:  MSLR=path/to/mslr python benchmarks/ensemble.py [--device cuda]
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
    """Seconds of both ways in every round, and the largest difference of their losses."""
    import torch

    from benchmarks.common import paired_ratio, summary
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
    ways = {
        name: read_settings(CONFIG, [*usual, f"trainer.models_at_once={together}"], plugins).make()
        for name, together in (("separate", 1), ("together", "null"))
    }
    settings = ways["together"]
    trainer = AccelerateTrainer(settings.trainer, seed=0)
    task = settings.task(Context(trainer.device, 0, cache_folder()))
    task.prepare(trainer)
    evaluator = settings.profile.evaluator(task.objectives, task.main)

    def points(policy: Any, tradeoff: Tradeoff) -> torch.Tensor:
        from moft.engine.fronts.profile import profiled

        return profiled(policy, task, evaluator, tradeoff, "validation").points

    def trained(way: str) -> tuple[float, Any, list[Any]]:
        from moft.engine.training.job_records import NoRecords, TrainingCost

        class Kept(NoRecords):
            def __init__(self) -> None:
                self.costs: list[TrainingCost] = []

            def finish(self, job: str, weights: Any, account: TrainingCost) -> None:
                self.costs.append(account)

        kept, problem = Kept(), Problem(task, lambda policy: {}, points)
        seed_initialisation(0, "policy")
        policy = settings.method.policy(problem)
        started = time.perf_counter()
        settings.method.train(policy, problem, AccelerateTrainer(ways[way].trainer, seed=0, records=kept))
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started, policy, kept.costs

    seconds: dict[str, list[float]] = {"separate": [], "together": []}
    estimates, losses = [], {}
    for index in range(rounds + 1):
        for way in ("separate", "together"):
            took, policy, costs = trained(way)
            losses[way] = _losses(policy, task, betas_of(task.objectives).to(trainer.device))
            if index > 0:  # the first round warms caches
                seconds[way].append(took)
                if way == "together":
                    estimates.append(costs[0].separate_seconds)
        print(f"round {index}: " + ", ".join(f"{way} {values[-1:]}" for way, values in seconds.items()), flush=True)
    return {
        "device": str(trainer.device) if trainer.device.type == "cpu" else torch.cuda.get_device_name(),
        "threads": torch.get_num_threads(),
        "models": len(policy.grid),
        "epochs": epochs,
        "lists": task.batches("train").lists,
        "seconds": {way: summary(values) for way, values in seconds.items()},
        "ratio": paired_ratio(seconds["together"], seconds["separate"]),
        "estimate_over_separate": paired_ratio(estimates, seconds["separate"]),
        "largest_difference_of_losses": (losses["together"] - losses["separate"]).abs().max().item(),
    }


def _losses(policy: Any, task: Any, betas: Any) -> Any:
    """`[models, m]`, mean losses of every model on the training lists."""
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
    from benchmarks.common import in_words, machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[], help="override, as for moft train")
    parser.add_argument("--name", default="ensemble", help="of the result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if "MSLR" not in os.environ:
            from moft_ltr.data.synthetic import Synthetic, make_synthetic

            make_synthetic(Path(folder) / "data", Synthetic(lists=175, items=110, features=131, objectives=5))
            os.environ["MSLR"] = str(Path(folder) / "data")
        found = measure(options.epochs, options.rounds, [f"trainer.device={options.device}", *options.set])
    rows = [
        ["seconds, one after another", in_words(found["seconds"]["separate"]), ""],
        ["seconds, together", in_words(found["seconds"]["together"]), ""],
        ["ratio", in_words(found["ratio"]), "at most 0.7" if options.device == "cpu" else "at most 0.25"],
        ["its estimate of separate jobs over those", in_words(found["estimate_over_separate"]), ""],
        ["largest difference of losses", f"{found['largest_difference_of_losses']:.1e}", "at most 1e-4"],
    ]
    print_table(f"{found['models']} plain rankers, {found['lists']} lists", ["", "measured", "target"], rows)
    write_result(options.name, {"machine": machine(), **found})


if __name__ == "__main__":
    main()
