"""Time of a training step of a language model: more objectives, Hyper Prompt Tuning with LoRA, and shared prompts.

Weight-COS-DPO trains in the trainer of a run, on real texts. Every variant is a process, and they take turns after every few
steps. All have the same length-grouped batches:

- eight objectives against one, and HPT with LoRA against LoRA alone, on HelpSteer's prompts with four responses;
- HPT with LoRA against LoRA alone on the pairs of PKU-SafeRLHF, two objectives;
- on both, a prompt encoded once for all its responses against a row for each response.

HelpSteer has five ratings, so three of the eight objectives use a rating again with another scale. One thread computes, and its
processor time is measured, which other programs on the machine affect little.

Run it:  OMP_NUM_THREADS=1 python benchmarks/llm_step_cost.py [--rounds 15] [--data FOLDER] [--model FOLDER]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.support.llm_training import (
    MoftTraining,
    Texts,
    grouped_plan,
    model_and_data_folders,
    training_tokens,
    with_prefix_positions,
)
from benchmarks.support.reporting import format_summary, machine, paired_ratio, print_table, summary, write_result

VARIANTS: Mapping[str, tuple[Texts, Mapping[str, Any]]] = {
    "lists, HPT, m = 1": ("lists", {"objectives": 1, "has_prefix": True}),
    "lists, HPT, m = 8": ("lists", {"objectives": 8, "has_prefix": True}),
    "lists, LoRA alone, m = 8": ("lists", {"objectives": 8}),
    "lists, HPT, m = 8, a row for each response": ("lists", {"objectives": 8, "has_prefix": True, "share_prompt": False}),
    "pairs, HPT, m = 2": ("pairs", {"objectives": 2, "has_prefix": True}),
    "pairs, LoRA alone, m = 2": ("pairs", {"objectives": 2}),
    "pairs, HPT, m = 2, a row for each response": ("pairs", {"objectives": 2, "has_prefix": True, "share_prompt": False}),
}
RATIOS = {
    "eight objectives against one, lists": ("lists, HPT, m = 8", "lists, HPT, m = 1", 1.05),
    "HPT and LoRA against LoRA, lists": ("lists, HPT, m = 8", "lists, LoRA alone, m = 8", 1.15),
    "HPT and LoRA against LoRA, pairs": ("pairs, HPT, m = 2", "pairs, LoRA alone, m = 2", 1.15),
    "shared prompt against a row for each response, lists": (
        "lists, HPT, m = 8",
        "lists, HPT, m = 8, a row for each response",
        None,
    ),
    "shared prompt against a row for each response, pairs": (
        "pairs, HPT, m = 2",
        "pairs, HPT, m = 2, a row for each response",
        None,
    ),
}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a step and memory of every variant, and ratios between variants, batch by batch."""
    model, data = model_and_data_folders(options.model, options.data)
    steps = options.steps * (options.rounds + 1)
    plans = {texts: _plan(model, data, texts, steps, options) for texts in ("lists", "pairs")}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder, processes = Path(temporary), {}
        model = with_prefix_positions(model, folder)
        for name, (texts, more) in VARIANTS.items():
            training = MoftTraining(
                model=str(model),
                data=str(data),
                texts=texts,
                cache=str(folder / "cache"),
                plan=plans[texts],
                steps_per_turn=options.steps,
                length=options.length,
                **more,
            )
            processes[name] = stack.enter_context(training.start(folder, 1))
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in processes}
        for round_ in range(options.rounds + 1):
            for name in list(processes)[:: 1 if round_ % 2 == 0 else -1]:
                found[name].append(processes[name].advance())
    seconds = {name: [part["processor"] / options.steps for part in parts[1:]] for name, parts in found.items()}
    return {
        "seconds_per_step": {name: summary(values) for name, values in seconds.items()},
        "ratios": {
            name: paired_ratio(seconds[first], seconds[second]) | ({} if most is None else {"target": most})
            for name, (first, second, most) in RATIOS.items()
        },
        "peak_megabytes": {name: parts[-1]["peak"] for name, parts in found.items()},
    }


def _plan(model: Path, data: Path, texts: Texts, steps: int, options: argparse.Namespace) -> list[list[int]]:
    """Batches as the task makes them, pass after pass."""
    tokens = training_tokens(model, data, texts, options.length)
    plan: list[list[int]] = []
    while len(plan) < steps:
        plan += grouped_plan(tokens, options.budget, seed=len(plan))
    return plan[:steps]


def show(found: Mapping[str, Any]) -> None:
    """Prints the tables."""
    rows = [
        [name, format_summary(quartiles), f"{found['peak_megabytes'][name]:,.0f}"]
        for name, quartiles in found["seconds_per_step"].items()
    ]
    print_table("A step, one thread, processor time", ["variant", "seconds (quartiles)", "peak MB"], rows)
    rows = [
        [name, format_summary(ratio, 3), f"at most {ratio['target']}" if "target" in ratio else "-"]
        for name, ratio in found["ratios"].items()
    ]
    print_table("Ratios, batch by batch", ["what", "ratio (quartiles)", "target"], rows)


def main() -> None:
    """Measures, prints the tables, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each variant, after one to warm up")
    parser.add_argument("--steps", type=int, default=1, help="steps of a turn")
    parser.add_argument("--budget", type=int, default=2048, help="tokens of a batch, padding included")
    parser.add_argument("--length", type=int, default=240, help="tokens of a prompt with a response, without the prefix")
    parser.add_argument("--model", help="folder of the model")
    parser.add_argument("--data", help="folder of the data")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    found = measure(options)
    show(found)
    settings = {name: getattr(options, name) for name in ("rounds", "steps", "budget", "length")}
    about = {"machine": machine("transformers", "peft"), **settings, "load_of_the_machine_before": load}
    write_result("llm_step_cost", {**about, **found})


if __name__ == "__main__":
    main()
