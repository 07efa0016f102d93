"""How long a choice takes: a wish for the MSLR sample, and one with 10,000 validation queries, in one thread.

For the large set, synthetic queries (20 documents, 32 features, three objectives) are made in a temporary folder, and trees and a
network are trained on them for a short time, since the time of a choice does not depend on how good they are. The time is that of
`moft choose` as a command, imports included. About ten minutes.

Run it:  python benchmarks/choice_speed.py mslr-sample
         python benchmarks/choice_speed.py synthetic
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.support.reporting import machine, print_table, write_result

LISTS = 10_000
"""Validation queries of the large set."""
TARGETS = {"mslr-sample": 5.0, "synthetic": 60.0}
"""Seconds by the clock."""
CONFIG = """
task:
  name: ltr
  data: {data}
  base: {{name: lambdamart, trees: 20}}
  {objectives}
method: {method}
trainer: {{epochs: 1, device: cpu, threads: 1, evaluations: 0}}
profile: {{evaluator: ndcg, points: 6, bootstrap_samples: 100}}
"""
SAMPLE = """objectives:
    url-clicks: {column: 134, transform: log1p}
    quality-score: {column: 132, transform: min-max}
    dwell-time: {column: 136, transform: log1p}"""
SYNTHETIC = "objectives: {url-clicks: {column: 33}, quality-score: {column: 34}, dwell-time: {column: 35}}"
WISH = ["--keep", "main >= 95% of base", "--maximise", "url-clicks", "--confidence", "0.8"]


def moft(*arguments: str) -> None:
    """Runs a command in one thread."""
    threads = {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "moft", *arguments], check=True, capture_output=True, env=os.environ | threads)


def timed(*arguments: str) -> dict[str, float]:
    """Seconds of a command by the clock, and of its processor time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    moft(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"seconds": time.perf_counter() - start, "processor seconds": processor}


def measure(data: str) -> dict[str, Any]:
    """The times of a choice for trees and for a network."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, found = Path(temporary), dict[str, Any]()
        queries = "mslr-sample"
        if data == "synthetic":
            queries = str(folder / "queries")
            sizes = [f"--lists={3 * LISTS}", "--items=20", "--features=32", "--objectives=3"]
            moft("data", "make", "synthetic", queries, *sizes)
        for name, method in (("trees", "{name: cos-dpo-trees, trees: 20, draws: 1}"), ("network", "cos-dpo")):
            objectives = SAMPLE if data == "mslr-sample" else SYNTHETIC
            text = CONFIG.format(data=queries, objectives=objectives, method=method)
            (folder / "config.yaml").write_text(text, encoding="utf-8")
            moft("train", f"{folder}/config.yaml", "--out", f"{folder}/{name}")
            first = timed("choose", f"{folder}/{name}", *WISH)
            again = timed("choose", f"{folder}/{name}", *WISH)  # which only reads the first answer
            found[name] = {**first, "the same wish again": again["seconds"], "met": first["seconds"] <= TARGETS[data]}
    return {"target seconds": TARGETS[data], "policies": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", choices=list(TARGETS))
    options = parser.parse_args()
    found = measure(options.data)
    columns = list(found["policies"]["trees"])
    rows = [[name, *(f"{row[column]:.3g}" for column in columns)] for name, row in found["policies"].items()]
    print_table(f"A choice, {options.data}", ["policy", *columns], rows)
    write_result(f"choice-speed-{options.data}", {"machine": machine("scikit-learn", "lightgbm"), **found})


if __name__ == "__main__":
    main()
