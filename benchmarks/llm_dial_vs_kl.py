"""What the dial does to generated text at the vertices: scores, and KL from the base model.

The numbers are those of the folders; the rows are the base model and, for each folder, its vertices.

Run it:  moft profile runs/stories --points 4 --dial 2
         python benchmarks/llm_dial_vs_kl.py runs/stories runs/stories/profiles/test-4-dial-2
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
    from benchmarks.support.reporting import machine, print_table, write_result

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="a run, and profiles of it at other dials")
    options = parser.parse_args()
    fronts = [json.loads((folder / "front.json").read_text(encoding="utf-8")) for folder in options.folders]
    trained_beta = fronts[0]["points"][0]["betas"][0]
    rows = [_row("the base model", fronts[0]["base"])]
    for front in fronts:
        for name, vertex in _vertices(front).items():
            rows.append(_row(f"{name}, dial {vertex['betas'][0] / trained_beta:g}", vertex))
    names = list(fronts[0]["objectives"])
    shown = [[row["name"], *(f"{value:.2f}" for value in row["values"]), f"{row['kl']:.0f}"] for row in rows]
    print_table(f"Scores of the text at the vertices, {fronts[0]['split']} split", ["at", *names, DIVERGENCE], shown)
    write_result("llm-dial", {"machine": machine("transformers", "peft"), "objectives": names, "rows": rows})  # fmt: skip


def _vertices(front: Mapping[str, Any]) -> dict[str, Any]:
    """The point at each vertex, by its objective."""
    vertices = {}
    for point in front["points"]:
        if max(point["weights"]) == 1:
            vertices[front["objectives"][point["weights"].index(1)]] = point
    return vertices


def _row(name: str, point: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "values": point["values"], "ci": point["ci"], "kl": point["more"][DIVERGENCE]}


if __name__ == "__main__":
    main()
