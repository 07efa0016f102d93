"""How fast a Parquet file becomes a converted folder, beside pyarrow's own reading, and how much memory that takes.

A table of random numbers (10,000 queries of 120 documents, 131 features as 32-bit numbers, text ids of queries) is written in a
temporary folder, 1.3 GB in all with its conversions, and removed afterwards. One process reads the whole file with
`pyarrow.parquet.read_table` and converts it with `moft_ltr.write_data`, in turns, so that other load on the machine affects both;
the first turn warms up. Another process converts it once, and its peak memory is compared with the size of the features as
32-bit numbers.

Run it:  python benchmarks/ltr_conversion.py [--lists 10000] [--turns 5]
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.reporting import format_summary, machine, paired_ratio, print_table, summary, write_result

ITEMS, FEATURES = 120, 131
SPEED_TARGET, MEMORY_TARGET = 0.5, 1.5


def write_table(path: Path, lists: int) -> None:
    """Writes the table, a few queries at a time."""
    import pyarrow
    from pyarrow import parquet

    draws = np.random.default_rng(0)
    names = ["query", *(f"f{number}" for number in range(FEATURES))]
    schema = pyarrow.schema([(names[0], pyarrow.string()), *((name, pyarrow.float32()) for name in names[1:])])
    with parquet.ParquetWriter(path, schema) as writer:
        for first in range(0, lists, 1000):
            count = min(1000, lists - first)
            values = draws.standard_normal((FEATURES, count * ITEMS), dtype=np.float32)
            queries = np.repeat([f"query {first + number}" for number in range(count)], ITEMS)
            writer.write_table(pyarrow.table([pyarrow.array(queries), *map(pyarrow.array, values)], schema=schema))


def serve(path: Path, turns: int) -> None:
    """Prints the seconds of reading and of converting, wall and processor, of each turn, and the peak memory in bytes."""
    from pyarrow import parquet

    import moft_ltr

    out = path.parent / "converted"
    found: list[list[float]] = []
    for _ in range(max(1, turns)):
        marks = [(time.perf_counter(), time.process_time())]
        if turns:
            parquet.read_table(path)
        marks.append((time.perf_counter(), time.process_time()))
        moft_ltr.write_data(out, path)
        marks.append((time.perf_counter(), time.process_time()))
        shutil.rmtree(out)
        found.append([after[k] - before[k] for before, after in itertools.pairwise(marks) for k in (0, 1)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"turns": found, "peak_bytes": peak}))


def measure(lists: int, turns: int) -> dict[str, Any]:
    """The ratios, and what they are made of."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "table.parquet"
        write_table(path, lists)

        def run(count: int) -> Any:
            command = [sys.executable, "-m", "benchmarks.ltr_conversion", "--serve", str(path), "--turns", str(count)]
            return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        alone = run(0)["peak_bytes"]
        read, read_cpu, converted, converted_cpu = zip(*run(turns + 1)["turns"][1:], strict=True)
    features = lists * ITEMS * FEATURES * 4
    speed, memory = paired_ratio(read, converted), alone / features
    return {
        "lists": lists,
        "read_seconds": summary(read),
        "convert_seconds": summary(converted),
        "read_processor_seconds": summary(read_cpu),
        "convert_processor_seconds": summary(converted_cpu),
        "speed_of_reading": speed,
        "processor_speed_of_reading": paired_ratio(read_cpu, converted_cpu),
        "peak_bytes": alone,
        "peak_of_features": memory,
        "targets": {
            "speed": {"target": SPEED_TARGET, "met": speed["median"] >= SPEED_TARGET},
            "memory": {"target": MEMORY_TARGET, "met": memory <= MEMORY_TARGET},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lists", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--serve", type=Path)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.turns)
        return
    found = measure(options.lists, options.turns)
    rows = [
        [name.replace("_", " "), format_summary(found[name])]
        for name in found
        if isinstance(found[name], dict) and "median" in found[name]
    ]
    rows.append(["peak memory / features", f"{found['peak_of_features']:.2f}"])
    print_table(f"Converting {found['lists']:,} queries from Parquet", ["", "median (quartiles)"], rows)
    write_result("ltr-conversion", {"machine": machine("pyarrow"), **found})


if __name__ == "__main__":
    main()
