"""Time of a training step of a ranker: with and without conditioning, with more objectives, with more draws, and part by part.

Weight-COS-DPO trains in the trainer of a run, on real MSLR queries (on synthetic ones of the same shape if there are none). The
variants take turns on the same batches:

- `concat` and `film` against the same network and the same five objectives without conditioning;
- eight objectives against one, all from one forward pass;
- 1, 2 and 4 draws of weights for each query;
- the parts of a step: gathering the batch, forward, losses, backward, optimiser.

One thread computes, and its processor time is measured, which other programs on the machine affect little.

Run it:  OMP_NUM_THREADS=1 python benchmarks/step_cost.py [--repeats 15] [--budget 2048]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.support.ltr_training import TimedTraining, measure_in_turn, mslr_queries, prepare_task, weight_cos_dpo
from benchmarks.support.reporting import format_summary, machine, paired_ratio, print_table, summary, write_result

if TYPE_CHECKING:
    from moft_ltr.task import LTR

PAIRS = {
    "concat against no conditioning": ("concat", "none", 1.15),
    "film against no conditioning": ("film", "none", 1.15),
    "eight objectives against one": ("film, m = 8", "film, m = 1", 1.05),
    "two draws against one": ("film, 2 draws", "film", None),
    "four draws against one": ("film, 4 draws", "film", None),
}
PROFILED = {"film, m = 1": 1, "film": 5, "film, m = 8": 8}
PARTS = ("batch", "draw", "forward", "losses", "backward", "optimiser")


def measure(*, repeats: int, budget: int) -> dict[str, Any]:
    """Milliseconds of a step of every variant, ratios between them, and the parts of a step."""
    with mslr_queries() as (folder, description), tempfile.TemporaryDirectory() as cache:
        tasks = {m: prepare_task(folder, Path(cache), objectives=m, budget=budget) for m in (1, 5, 8)}
        variants = {
            "none": TimedTraining(tasks[5], weight_cos_dpo(5, None)),
            "concat": TimedTraining(tasks[5], weight_cos_dpo(5, "concat")),
            "film": TimedTraining(tasks[5], weight_cos_dpo(5, "film")),
            "film, m = 1": TimedTraining(tasks[1], weight_cos_dpo(1, "film")),
            "film, m = 8": TimedTraining(tasks[8], weight_cos_dpo(8, "film")),
            "film, 2 draws": TimedTraining(tasks[5], weight_cos_dpo(5, "film", draws=2)),
            "film, 4 draws": TimedTraining(tasks[5], weight_cos_dpo(5, "film", draws=4)),
        }
        seconds = measure_in_turn(variants, repeats)
        steps = len(tasks[5].batches("train"))
        ratios = {
            name: paired_ratio(seconds[first], seconds[second]) | ({} if most is None else {"target": most})
            for name, (first, second, most) in PAIRS.items()
        }
        return {
            "data": description,
            "items_per_batch": budget,
            "steps_per_epoch": steps,
            "milliseconds_per_step": {
                name: summary([1000 * value / steps for value in found]) for name, found in seconds.items()
            },
            "ratios": ratios,
            "parts": {name: parts_of_a_step(tasks[m], weight_cos_dpo(m, "film"), repeats) for name, m in PROFILED.items()},
        }


def parts_of_a_step(task: LTR, method: Any, repeats: int, *, steps: int | None = None) -> dict[str, float]:
    """Milliseconds of each part of a step: means over a pass, then the minimum over passes.

    Args:
        task: prepared.
        method: Weight-COS-DPO.
        repeats: number of passes.
        steps: steps of a pass, evenly spaced over the epoch; None for all.
    """
    import torch

    from moft.api import ObjectiveLosses, Tradeoff, problem_without_validation
    from moft_losses.listnet import ListNet
    from moft_samplers.dirichlet import Dirichlet

    torch.set_num_threads(1)
    policy = method.policy(problem_without_validation(task))
    losses, sampler = ObjectiveLosses(task.objectives, ListNet()), Dirichlet(len(task.objectives), vertices=0.3)
    parameters = list(policy.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    generator = torch.Generator().manual_seed(0)
    passes: list[dict[str, float]] = []
    for _ in range(repeats):
        laps, batches = Laps(), task.batches("train")
        plans = batches.plan[:: max(1, len(batches) // steps)] if steps else batches.plan
        for plan in plans:
            laps.start()
            batch = batches.load(plan)
            laps.end("batch")
            weights = sampler.draw(len(batch), generator)
            laps.end("draw")
            correction = policy.correction(batch, Tradeoff(weights, policy.betas))
            laps.end("forward")
            loss = (losses(correction, batch, policy.betas) * weights).sum()
            laps.end("losses")
            loss.backward()  # type: ignore[no-untyped-call]
            laps.end("backward")
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            laps.end("optimiser")
        passes.append({part: 1000 * seconds / len(plans) for part, seconds in laps.seconds.items()})
    return {part: min(found[part] for found in passes) for part in PARTS}


class Laps:
    """Processor time by part, added up."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._last = 0.0

    def start(self) -> None:
        """Starts the first part."""
        self._last = time.process_time()

    def end(self, part: str) -> None:
        """Ends a part and starts the next one."""
        now = time.process_time()
        self.seconds[part] += now - self._last
        self._last = now


def show(found: Mapping[str, Any]) -> None:
    """Prints the tables."""
    title = f"A step of {found['items_per_batch']} items on {found['data']}, one thread, processor time"
    rows = [[name, format_summary(spread, 1)] for name, spread in found["milliseconds_per_step"].items()]
    print_table(title, ["variant", "ms (quartiles)"], rows)
    rows = [
        [name, format_summary(ratio), f"at most {ratio['target']}" if "target" in ratio else "-"]
        for name, ratio in found["ratios"].items()
    ]
    print_table("Ratios, round by round", ["what", "ratio (quartiles)", "target"], rows)
    rows = [
        [name, *(f"{parts[part]:.2f} ({parts[part] / sum(parts.values()):.0%})" for part in PARTS)]
        for name, parts in found["parts"].items()
    ]
    print_table("Where the time of a step goes, ms", ["variant", *PARTS], rows)


def main() -> None:
    """Measures, prints the tables, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="rounds in which the variants take turns")
    parser.add_argument("--budget", type=int, default=2048, help="documents of a batch, padding included")
    options = parser.parse_args()
    found = measure(repeats=options.repeats, budget=options.budget)
    show(found)
    write_result("step_cost", {"machine": machine(), "repeats": options.repeats, **found})


if __name__ == "__main__":
    main()
