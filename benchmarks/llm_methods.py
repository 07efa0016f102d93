"""Compares policies with DPO-LS on generated text: hypervolume with paired verdicts, and training time.

All runs are measured on the same prompts and weightings; the run of `configs/llm/stories.yaml` needs a profile for that. Further
seeds of a method follow after a comma: means over the seeds are compared, with intervals over the prompts.

Run it:  moft train configs/llm/stories.yaml --out runs/stories
         moft profile runs/stories --points 6
         six="--set profile.points=6 --set profile.edges=0"; own="--set task.prompt_tokens=8"
         moft train configs/llm/stories.yaml --out runs/stories-1 --set seed=1 $six
         moft train configs/llm/stories.yaml --out runs/gates --set method.conditioner=hyper-lora $six
         moft train configs/llm/stories.yaml --out runs/hpt --set 'method.conditioner={name: hpt, tokens: 8, rank: 4}' $six
         moft train configs/llm/stories.yaml --out runs/ls --set 'method={name: dpo-ls, points: 6}' $six $own
         both=runs/stories/profiles/test-6,runs/stories-1
         python benchmarks/llm_methods.py "hpt, hyper-lora"=$both hpt=runs/hpt hyper-lora=runs/gates dpo-ls=runs/ls
         python benchmarks/llm_methods.py --name llm-methods-validation ...  # of profiles by --split validation --points 6
         sft="--set method.loss=with-sft"
         for DIAL in 1.5 2; do moft profile runs/stories --points 6 --dial $DIAL --out runs/dial-$DIAL; done
         moft train configs/llm/stories.yaml --out runs/sft $sft $six
         python benchmarks/llm_methods.py --name llm-methods-sft ... "dial 2"=runs/dial-2 with-sft=runs/sft dpo-ls=runs/ls
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

SAMPLES = 1000
BASELINE = "dpo-ls"
TARGET_SHARE = 0.2
"""Largest time of a policy, as a share of the time of DPO-LS's separate models."""


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.support.reporting import machine, print_table, write_result
    from moft.run.comparison.comparable_runs import check_protocol
    from moft.run.comparison.comparison_record import comparison_record
    from moft.run.comparison.seeds_and_folds import Entry
    from moft.run.report.read_front import read_measured

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="NAME=FOLDER,...", help=f"one of them must be {BASELINE}")
    parser.add_argument("--name", default="llm-methods", help="of the result")
    options = parser.parse_args()
    named = [text.rsplit("=", 1) for text in options.methods]
    runs = {name: [read_measured(Path(folder)) for folder in folders.split(",")] for name, folders in named}
    check_protocol([run for several in runs.values() for run in several])
    found = comparison_record(
        [
            Entry(name, tuple(run.config["seed"] for run in several), tuple((run,) for run in several))
            for name, several in runs.items()
        ],
        samples=SAMPLES,
    )
    entries = {entry["name"]: _result_entry(entry) for entry in found["entries"]}
    gains = {entry["name"]: _gains(entry, found["weights"]) for entry in found["entries"]}
    for name, entry in entries.items():
        entry["vertex_ratio"] = [gain / baseline for gain, baseline in zip(gains[name], gains[BASELINE], strict=True)]
    separate = entries[BASELINE]["cost"]["separate_seconds"]
    for entry in entries.values():
        entry["share_of_time"] = entry["cost"]["separate_seconds"] / separate
    rows = [
        [
            name,
            "{:.4g} [{:.4g}, {:.4g}]".format(entry["hypervolume"]["value"], *entry["hypervolume"]["ci"]),
            " ".join(f"{value:.4g}" for value in entry["hypervolume"]["by_seed"]),
            " ".join(f"{value:.2f}" for value in entry["vertex_ratio"]),
            f"{entry['main']['value']:.2f}",
            f"{entry['cost']['separate_seconds']:.0f}",
            f"{entry['share_of_time']:.3f}",
        ]
        for name, entry in entries.items()
    ]
    split = next(iter(runs.values()))[0].record["split"]
    title = f"{found['lists']} prompts of the {split} split; target share of time: at most {TARGET_SHARE}"
    print_table(title, ["method", "hypervolume", "by seed", "at vertices", "main", "s, separate", "share"], rows)
    for verdict in found["verdicts"]:
        print(
            f"{verdict['measure']}: {verdict['first']} minus {verdict['second']} {verdict['difference']:.4g}, "
            f"p {verdict['p']:.2g}"
        )
    about = {"split": split} | {name: found[name] for name in ("objectives", "lists", "metric", "intervals", "adjustment")}
    content = {"machine": machine("transformers", "peft"), **about, "entries": entries, "verdicts": found["verdicts"]}
    write_result(options.name, content)


def _gains(entry: dict[str, Any], weights: list[list[float]]) -> list[float]:
    """Gain of each objective over the base model at its vertex, mean over the seeds."""
    base = entry["base"]["values"]
    vertices = [next(n for n, row in enumerate(weights) if row[j] == max(map(max, weights))) for j in range(len(base))]
    points, objectives = entry["points"], range(len(base))
    values = [sum(seed[vertices[j]]["values"][j] for seed in points) / len(points) for j in objectives]
    return [value - base_value for value, base_value in zip(values, base, strict=True)]


def _result_entry(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("seeds", "hypervolume", "main", "cost", "indicators")}


if __name__ == "__main__":
    main()
