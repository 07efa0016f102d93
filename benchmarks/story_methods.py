"""One-shot training against DPO-LS on the story task: hypervolume of what they write, with paired verdicts, and seconds.

All runs are measured on the same prompts and weights, which for the run of `configs/llm/stories.yaml` takes a profile. Further
seeds of a method stand behind a comma: what is compared are means over the seeds, with intervals over the prompts.

Run it:  moft train configs/llm/stories.yaml --out runs/stories
         moft profile runs/stories --points 6
         six="--set profile.points=6 --set profile.edges=0"; own="--set task.prompt_tokens=8"
         moft train configs/llm/stories.yaml --out runs/stories-1 --set seed=1 $six
         moft train configs/llm/stories.yaml --out runs/gates --set method.conditioner=hyper-lora $six
         moft train configs/llm/stories.yaml --out runs/hpt --set 'method.conditioner={name: hpt, tokens: 8, rank: 4}' $six
         moft train configs/llm/stories.yaml --out runs/ls --set 'method={name: dpo-ls, points: 6}' $six $own
         both=runs/stories/profiles/test-6,runs/stories-1
         python benchmarks/story_methods.py "hpt, hyper-lora"=$both hpt=runs/hpt hyper-lora=runs/gates dpo-ls=runs/ls
         python benchmarks/story_methods.py --name stories-validation ...  # of profiles by --split validation --points 6
         sft="--set method.loss=with-sft"
         for T in 1.5 2; do moft profile runs/stories --points 6 --dial $T --out runs/dial-$T; done
         moft train configs/llm/stories.yaml --out runs/sft $sft $six
         python benchmarks/story_methods.py --name stories-sft both=... "at beta 2"=runs/dial-2 sft=runs/sft dpo-ls=runs/ls
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

SAMPLES = 1000
AGAINST = "dpo-ls"
SHARE = 0.2
"""Of the seconds of the separate models, what one model may take."""


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.common import machine, print_table, write_result
    from moft.run.comparison.comparison_record import comparison_record
    from moft.run.comparison.protocol import check_protocol
    from moft.run.comparison.seeds_and_folds import Entry
    from moft.run.report.front_files import read_measured

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+", metavar="NAME=FOLDER,...", help=f"one of them {AGAINST}")
    parser.add_argument("--name", default="stories-methods", help="of the file with the results")
    asked = parser.parse_args()
    named = [text.rsplit("=", 1) for text in asked.methods]
    runs = {name: [read_measured(Path(folder)) for folder in folders.split(",")] for name, folders in named}
    check_protocol([run for several in runs.values() for run in several])
    found = comparison_record(
        [
            Entry(name, tuple(run.config["seed"] for run in several), tuple((run,) for run in several))
            for name, several in runs.items()
        ],
        samples=SAMPLES,
    )
    entries = {entry["name"]: _kept(entry) for entry in found["entries"]}
    gains = {entry["name"]: _gains(entry, found["weights"]) for entry in found["entries"]}
    for name, entry in entries.items():
        entry["vertex_ratio"] = [own / other for own, other in zip(gains[name], gains[AGAINST], strict=True)]
    separate = entries[AGAINST]["cost"]["separate_seconds"]
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
    title = f"{found['lists']} lists of the {split} split; share of time asked: at most {SHARE}"
    print_table(title, ["method", "hypervolume", "of each seed", "at vertices", "main", "s, separate", "share"], rows)
    for verdict in found["verdicts"]:
        print(
            f"{verdict['measure']}: {verdict['first']} less {verdict['second']} {verdict['difference']:.4g}, p {verdict['p']:.2g}"
        )
    kept = {"split": split} | {name: found[name] for name in ("objectives", "lists", "metric", "intervals", "adjustment")}
    content = {"machine": machine("transformers", "peft"), **kept, "entries": entries, "verdicts": found["verdicts"]}
    write_result(asked.name, content)


def _gains(entry: dict[str, Any], weights: list[list[float]]) -> list[float]:
    """Means over the seeds: how far each objective is above the base model where it has all the weight."""
    base = entry["base"]["values"]
    vertices = [next(n for n, row in enumerate(weights) if row[j] == max(map(max, weights))) for j in range(len(base))]
    points, objectives = entry["points"], range(len(base))
    values = [sum(seed[vertices[j]]["values"][j] for seed in points) / len(points) for j in objectives]
    return [value - own for value, own in zip(values, base, strict=True)]


def _kept(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("seeds", "hypervolume", "main", "cost", "indicators")}


if __name__ == "__main__":
    main()
