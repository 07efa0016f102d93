"""One-shot training against DPO-LS on the story task: hypervolume of what they write, with paired verdicts, and seconds.

All runs are measured on the same prompts and weights, which for the run of `configs/llm/stories.yaml` takes a profile. Further
seeds of a run go in by names of their own.

Run it:  moft train configs/llm/stories.yaml --out runs/stories
         moft profile runs/stories --points 6
         six="--set profile.points=6 --set profile.edges=0"; own="--set task.prompt_tokens=8"
         moft train configs/llm/stories.yaml --out runs/gates --set method.conditioner=hyper-lora $six
         moft train configs/llm/stories.yaml --out runs/ls --set 'method={name: dpo-ls, points: 6}' $six $own
         python benchmarks/story_methods.py hpt=runs/stories/profiles/test-6 hyper-lora=runs/gates dpo-ls=runs/ls
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
    from moft.run.compare import comparison_record
    from moft.run.entries import entries_of
    from moft.run.measured import read_measured

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=FOLDER", help=f"one of them {AGAINST}")
    folders = dict(text.split("=", 1) for text in parser.parse_args().runs)
    runs = [read_measured(Path(folder)) for folder in folders.values()]
    found = comparison_record(entries_of(runs, over_seeds=False, pool=None), samples=SAMPLES)
    named = dict(zip((entry["name"] for entry in found["entries"]), folders, strict=True))
    entries = {named[entry["name"]]: _kept(entry) for entry in found["entries"]}
    verdicts = [
        {**verdict, "first": named[verdict["first"]], "second": named[verdict["second"]]} for verdict in found["verdicts"]
    ]
    separate = entries[AGAINST]["cost"]["separate_seconds"]
    for entry in entries.values():
        entry["share_of_time"] = entry["cost"]["separate_seconds"] / separate
    rows = [
        [
            name,
            "{:.4g} [{:.4g}, {:.4g}]".format(entry["hypervolume"]["value"], *entry["hypervolume"]["ci"]),
            f"{entry['main']['value']:.2f}",
            f"{entry['cost']['separate_seconds']:.0f}",
            f"{entry['share_of_time']:.3f}",
        ]
        for name, entry in entries.items()
    ]
    title = f"{found['lists']} lists of the test split; share of time asked: at most {SHARE}"
    print_table(title, ["method", "hypervolume", "main", "s, separate", "share"], rows)
    for verdict in verdicts:
        print(
            f"{verdict['measure']}: {verdict['first']} less {verdict['second']} {verdict['difference']:.4g}, p {verdict['p']:.2g}"
        )
    kept = {name: found[name] for name in ("objectives", "lists", "metric", "intervals", "adjustment")}
    content = {"machine": machine("transformers", "peft"), **kept, "entries": entries, "verdicts": verdicts}
    write_result("stories-methods", content)


def _kept(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("hypervolume", "main", "cost", "indicators")}


if __name__ == "__main__":
    main()
