"""What the beta gives back at the vertices of the story task: scores of what is written, and how far it is from the base.

The numbers are those that moft wrote into the folders; the rows are the base model and, for each folder, its vertices.

Run it:  moft profile runs/stories --points 4 --dial 2
         python benchmarks/story_dial.py runs/stories runs/stories/profiles/test-4-dial-2
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DIVERGENCE = "KL from the base"


def main() -> None:
    """Prints the table and writes JSON."""
    from benchmarks.common import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="a run, and profiles of it at other betas")
    options = parser.parse_args()
    fronts = [json.loads((folder / "front.json").read_text(encoding="utf-8")) for folder in options.folders]
    trained = fronts[0]["points"][0]["betas"][0]
    rows = [_row("the base model", fronts[0]["base"])]
    for front in fronts:
        for name, vertex in _vertices(front).items():
            rows.append(_row(f"{name}, beta {vertex['betas'][0] / trained:g}", vertex))
    names = list(fronts[0]["objectives"])
    shown = [[row["name"], *(f"{value:.2f}" for value in row["values"]), f"{row['kl']:.0f}"] for row in rows]
    print_table(f"What is written at the vertices, {fronts[0]['split']} split", ["at", *names, DIVERGENCE], shown)
    write_result("stories-dial", {"machine": machine("transformers", "peft"), "objectives": names, "rows": rows})  # fmt: skip


def _vertices(front: Mapping[str, Any]) -> dict[str, Any]:
    """The point at each vertex, by its objective."""
    found = {}
    for point in front["points"]:
        if max(point["weights"]) == 1:
            found[front["objectives"][point["weights"].index(1)]] = point
    return found


def _row(name: str, point: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "values": point["values"], "ci": point["ci"], "kl": point["more"][DIVERGENCE]}


if __name__ == "__main__":
    main()
