"""One-shot training against DPO-LS on the story task: hypervolume of what they write, with a paired verdict, and seconds.

Both runs are measured on the same prompts and weights: profile the one-shot run over DPO-LS's weights first.

Run it:  moft train configs/llm/stories.yaml --out runs/stories
         moft train configs/llm/stories.yaml --out runs/stories-ls --set 'method={name: dpo-ls, points: 6}' \
             --set task.prompt_tokens=8 --set profile.points=6 --set profile.edges=0
         moft profile runs/stories --points 6
         python benchmarks/story_methods.py runs/stories/profiles/test-6 runs/stories-ls
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

SAMPLES = 1000


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.common import machine, print_table, write_result
    from moft.run.compare import comparison_record
    from moft.run.entries import entries_of
    from moft.run.measured import read_measured

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path, help="profile of the one-shot run")
    parser.add_argument("separate", type=Path, help="run of DPO-LS")
    options = parser.parse_args()
    runs = [read_measured(options.one), read_measured(options.separate)]
    found = comparison_record(entries_of(runs, over_seeds=False, pool=None), samples=SAMPLES)
    named = dict(zip((entry["name"] for entry in found["entries"]), ("cos-dpo", "dpo-ls"), strict=True))
    entries = {named[entry["name"]]: _kept(entry) for entry in found["entries"]}
    verdicts = [
        {**verdict, "first": named[verdict["first"]], "second": named[verdict["second"]]} for verdict in found["verdicts"]
    ]
    share = entries["cos-dpo"]["cost"]["seconds"] / entries["dpo-ls"]["cost"]["separate_seconds"]
    rows = [
        [
            name,
            "{:.4g} [{:.4g}, {:.4g}]".format(entry["hypervolume"]["value"], *entry["hypervolume"]["ci"]),
            f"{entry['main']['value']:.2f}",
            f"{entry['cost']['separate_seconds']:.0f}",
        ]
        for name, entry in entries.items()
    ]
    print_table(f"{found['lists']} prompts of the test split", ["method", "hypervolume", "main", "s, separate"], rows)
    for verdict in verdicts:
        print(verdict)
    print(
        f"Seconds of one-shot training over those of {entries['dpo-ls']['cost']['jobs']} separate jobs: {share:.3f} (asked: 0.2)"
    )
    kept = {name: found[name] for name in ("objectives", "lists", "metric", "intervals")}
    write_result("stories-methods", {"machine": machine("transformers", "peft"), **kept, "entries": entries,
                                     "verdicts": verdicts, "share_of_time": share})  # fmt: skip


def _kept(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("hypervolume", "main", "cost", "indicators") if name in entry}


if __name__ == "__main__":
    main()
