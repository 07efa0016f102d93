"""How long `moft compare` takes: eight runs of five objectives, 11 points and 2,000 lists each, with 1,000 bootstrap samples.

The runs are made up: values that no policy reached, in folders as a run writes them. Seconds are of one command, start and
imports included, on the clock and of the processor, over several calls.

Run it:  python benchmarks/compare_speed.py
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
    """Fronts of made-up policies, each a little better than the one before."""
    import torch

    from moft.engine.training.job_records import TrainingCost
    from moft.files.json import write_json
    from moft.files.safetensors import save_tensors
    from moft.run.report.front_record import Cost, Measured, front_record, list_values, reference_point
    from moft.types import Front, ListValues, Tradeoff

    generator = torch.Generator().manual_seed(0)
    names = tuple(f"objective-{index + 1}" for index in range(OBJECTIVES))
    weights = torch.rand(POINTS, OBJECTIVES, generator=generator).softmax(-1)
    hardness = torch.rand(1, LISTS, OBJECTIVES, generator=generator)
    origin, lists, paths = reference_point(None, OBJECTIVES), torch.arange(LISTS), []
    for run in range(RUNS):
        noise = 0.3 * torch.rand(POINTS, LISTS, OBJECTIVES, generator=generator)
        values = 0.3 * hardness + noise + 0.3 * weights.unsqueeze(1) + 0.001 * run
        measured = ListValues(values, values.mean(-1), lists)
        base = ListValues(values[:1], values[:1].mean(-1), lists)
        front = Front(names, Tradeoff(weights, torch.ones(1, OBJECTIVES)), measured, "made up", "test")
        whole = Measured(front, None, base, origin, 20, 0)
        told = {"name": f"run-{run}", "config": {"seed": run}, "data": {"splits": {}}}
        path = folder / f"run-{run}"
        path.mkdir()
        write_json(path / "front.json", front_record(whole, (), Cost(TrainingCost(1, 1.0, 1.0, 1), 0.0), (), told))
        save_tensors(path / "lists.safetensors", list_values(whole))
        paths.append(path)
    return paths


def main() -> None:
    """Prints the seconds and writes JSON."""
    from benchmarks.common import in_words, machine, print_table, summary, write_result

    clock, processor = [], []
    with tempfile.TemporaryDirectory() as name:
        paths = make_runs(Path(name))
        for call in range(CALLS):
            command = ["compare", *map(str, paths), "--bootstrap-samples", str(SAMPLES), "--out", str(Path(name) / f"out-{call}")]
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            start = "import sys; from moft.cli.app import main; sys.exit(main(sys.argv[1:]))"
            subprocess.run([sys.executable, "-c", start, *command], check=True, stdout=subprocess.DEVNULL)
            clock.append(time.perf_counter() - started)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    found = {"seconds": summary(clock), "processor_seconds": summary(processor)}
    rows = [[key.replace("_", " "), in_words(value, 1)] for key, value in found.items()]
    print_table(f"{RUNS} runs, {OBJECTIVES} objectives, {LISTS} lists, {SAMPLES} samples", ["", "measured"], rows)
    setup = {"runs": RUNS, "objectives": OBJECTIVES, "points": POINTS, "lists": LISTS, "samples": SAMPLES}
    write_result("compare-speed", {"machine": machine(), "size": setup, **found})


if __name__ == "__main__":
    main()
