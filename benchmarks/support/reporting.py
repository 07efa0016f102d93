"""Reports of the benchmarks: the machine, summaries with quartiles, tables on the terminal, and JSON results."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = ("moft", "torch", "numpy", "accelerate", "moocore")


def machine(*more: str) -> dict[str, Any]:
    """Processor, cores, Python and package versions, and the date.

    Args:
        more: further packages to list.
    """
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in (*PACKAGES, *more)},
        "date": datetime.now(UTC).date().isoformat(),
    }


def print_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table on the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title)
    for index, header in enumerate(headers):
        table.add_column(header, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    Console(width=180).print(table)


def write_result(name: str, content: Mapping[str, Any]) -> Path:
    """Writes `results/NAME.json` and prints its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"Written: benchmarks/results/{path.name}")
    return path


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of repeated measurements."""
    low, middle, high = (_quantile(sorted(values), share) for share in (0.25, 0.5, 0.75))
    return {"median": middle, "low": low, "high": high}


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """Summary of the ratios of measurements that were made in turn, so that other load on the machine affects both."""
    return summary([numerator / denominator for numerator, denominator in zip(first, second, strict=True)])


def format_summary(quartiles: Mapping[str, float], digits: int = 2) -> str:
    """A summary as `median (low to high)`."""
    return f"{quartiles['median']:.{digits}f} ({quartiles['low']:.{digits}f} to {quartiles['high']:.{digits}f})"


def _quantile(ordered: Sequence[float], share: float) -> float:
    """A quantile, interpolated linearly."""
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])
