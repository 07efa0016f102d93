"""What a training step of the ranker costs: conditioning, further objectives, further draws, and where the time goes.

Weight-COS trains in the trainer of a run, on real MSLR lists (synthetic ones of the same shape where there are none), with
variants taking turns on the same batches:

- with `concat` and with `film` against the same network and the same five objectives without conditioning;
- with eight objectives against one, all from one forward pass;
- with 1, 2 and 4 draws of weights for each list;
- one step taken apart: gathering the batch, forward, losses, backward, optimiser.

One thread computes, and its processor time is measured, so that other programs on the machine disturb little.

Run it:  OMP_NUM_THREADS=1 python benchmarks/step_cost.py [--repeats 15] [--budget 2048]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common import in_words, machine, paired_ratio, print_table, summary, write_result
from benchmarks.ranking import Timed, in_turn, mslr_lists, prepared_task, weight_cos

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
    with mslr_lists() as (folder, words), tempfile.TemporaryDirectory() as cache:
        tasks = {m: prepared_task(folder, Path(cache), objectives=m, budget=budget) for m in (1, 5, 8)}
        variants = {
            "none": Timed(tasks[5], weight_cos(5, None)),
            "concat": Timed(tasks[5], weight_cos(5, "concat")),
            "film": Timed(tasks[5], weight_cos(5, "film")),
            "film, m = 1": Timed(tasks[1], weight_cos(1, "film")),
            "film, m = 8": Timed(tasks[8], weight_cos(8, "film")),
            "film, 2 draws": Timed(tasks[5], weight_cos(5, "film", draws=2)),
            "film, 4 draws": Timed(tasks[5], weight_cos(5, "film", draws=4)),
        }
        seconds = in_turn(variants, repeats)
        steps = len(tasks[5].batches("train"))
        ratios = {
            name: paired_ratio(seconds[first], seconds[second]) | ({} if most is None else {"target": most})
            for name, (first, second, most) in PAIRS.items()
        }
        return {
            "data": words,
            "items_per_batch": budget,
            "steps_per_epoch": steps,
            "milliseconds_per_step": {
                name: summary([1000 * value / steps for value in found]) for name, found in seconds.items()
            },
            "ratios": ratios,
            "parts": {name: parts_of_a_step(tasks[m], weight_cos(m, "film"), repeats) for name, m in PROFILED.items()},
        }


def parts_of_a_step(task: LTR, method: Any, repeats: int, *, steps: int | None = None) -> dict[str, float]:
    """Milliseconds of each part of a step, means over a pass; the least of all passes.

    Args:
        task: prepared.
        method: Weight-COS.
        repeats: passes.
        steps: steps of a pass, spread over the plan; None takes them all.
    """
    import torch

    from moft.api import ObjectiveLosses, Tradeoff, unmeasured
    from moft_losses.listnet import ListNet
    from moft_samplers.dirichlet import Dirichlet

    torch.set_num_threads(1)
    policy = method.policy(unmeasured(task))
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
    """Seconds of processor time by part, added up."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._last = 0.0

    def start(self) -> None:
        """The first part begins."""
        self._last = time.process_time()

    def end(self, part: str) -> None:
        """A part is over, the next one begins."""
        now = time.process_time()
        self.seconds[part] += now - self._last
        self._last = now


def show(found: Mapping[str, Any]) -> None:
    """Prints the tables."""
    title = f"A step of {found['items_per_batch']} items on {found['data']}, one thread, processor time"
    rows = [[name, in_words(spread, 1)] for name, spread in found["milliseconds_per_step"].items()]
    print_table(title, ["variant", "ms (quartiles)"], rows)
    rows = [
        [name, in_words(ratio), f"at most {ratio['target']}" if "target" in ratio else "-"]
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
    parser.add_argument("--budget", type=int, default=2048, help="items of a batch, padding included")
    options = parser.parse_args()
    found = measure(repeats=options.repeats, budget=options.budget)
    show(found)
    write_result("step_cost", {"machine": machine(), "repeats": options.repeats, **found})


if __name__ == "__main__":
    main()
