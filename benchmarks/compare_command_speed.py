"""Time of `moft compare` on eight runs with five objectives, 11 points and 2,000 lists each, and 1,000 bootstrap samples.

The runs are made up: random values, in folders as a run writes them. Measured are the wall time and the processor time of one
command, start and imports included, over several calls.

Run it:  python benchmarks/compare_command_speed.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS, OBJECTIVES, POINTS, LISTS, SAMPLES, CALLS = 8, 5, 11, 2000, 1000, 5


def make_runs(folder: Path) -> list[Path]:
    """Run folders with random fronts, each a little better than the one before."""
    import torch

    from moft.engine.training.jobs.job_records import TrainingCost
    from moft.files.json import write_json
    from moft.files.safetensors import save_tensors
    from moft.run.report.front_record import Cost, Measured, front_record, list_values, reference_point
    from moft.types import Front, ListValues, Tradeoff

    generator = torch.Generator().manual_seed(0)
    names = tuple(f"objective-{index + 1}" for index in range(OBJECTIVES))
    weights = torch.rand(POINTS, OBJECTIVES, generator=generator).softmax(-1)
    hardness = torch.rand(1, LISTS, OBJECTIVES, generator=generator)
    origin, lists, paths = reference_point(None, OBJECTIVES), torch.arange(LISTS), list[Path]()
    for run in range(RUNS):
        noise = 0.3 * torch.rand(POINTS, LISTS, OBJECTIVES, generator=generator)
        values = 0.3 * hardness + noise + 0.3 * weights.unsqueeze(1) + 0.001 * run
        measured = ListValues(values, values.mean(-1), lists)
        base = ListValues(values[:1], values[:1].mean(-1), lists)
        front = Front(names, Tradeoff(weights, torch.ones(1, OBJECTIVES)), measured, "made up", "test")
        profile = Measured(front, None, base, origin, 20, 0)
        identity = {"name": f"run-{run}", "config": {"seed": run}, "data": {"splits": {}}}
        path = folder / f"run-{run}"
        path.mkdir()
        write_json(path / "front.json", front_record(profile, (), Cost(TrainingCost(1, 1.0, 1.0, 1), 0.0), (), identity))
        save_tensors(path / "lists.safetensors", list_values(profile))
        paths.append(path)
    return paths


def main() -> None:
    """Prints the seconds and writes JSON."""
    from benchmarks.support.reporting import format_summary, machine, print_table, summary, write_result

    wall, processor = [], []
    with tempfile.TemporaryDirectory() as name:
        paths = make_runs(Path(name))
        for call in range(CALLS):
            command = ["compare", *map(str, paths), "--bootstrap-samples", str(SAMPLES), "--out", str(Path(name) / f"out-{call}")]
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            start = "import sys; from moft.cli.app import main; sys.exit(main(sys.argv[1:]))"
            subprocess.run([sys.executable, "-c", start, *command], check=True, stdout=subprocess.DEVNULL)
            wall.append(time.perf_counter() - started)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    found = {"seconds": summary(wall), "processor_seconds": summary(processor)}
    rows = [[key.replace("_", " "), format_summary(value, 1)] for key, value in found.items()]
    print_table(f"{RUNS} runs, {OBJECTIVES} objectives, {LISTS} lists, {SAMPLES} samples", ["", "measured"], rows)
    setup = {"runs": RUNS, "objectives": OBJECTIVES, "points": POINTS, "lists": LISTS, "samples": SAMPLES}
    write_result("compare-command-speed", {"machine": machine(), "size": setup, **found})


if __name__ == "__main__":
    main()
