"""What the benchmarks share: the machine in words, tables, and results as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("moft", "torch", "numpy", "accelerate", "moocore")


def machine(*more: str) -> dict[str, Any]:
    """Processor, cores, Python and packages; nothing that names the machine.

    Args:
        more: further packages whose versions matter.
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
    """A table on the terminal."""
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
    """Writes `results/NAME.json` and says so."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"Written: benchmarks/results/{path.name}")
    return path


def data_folder() -> Path:
    """Where real data and models are: `$MOFT_DATA`, else `../shared/data`."""
    return Path(os.environ.get("MOFT_DATA", Path(__file__).parents[2] / "shared" / "data"))


def real_lists() -> Path | None:
    """The folder of the real MSLR lists: `ltr/mslr` below `$MOFT_DATA`, else below `../shared/data`; None where it is absent."""
    folder = data_folder() / "ltr" / "mslr"
    return folder if (folder / "train.txt").exists() else None


def make_lists(data: str, lists: int, folder: Path) -> None:
    """Makes the lists of `synthetic-M` where they are not there, and names them as its config reads them."""
    from moft_ltr.data.synthetic import Synthetic, make_synthetic

    if not folder.exists():
        make_synthetic(folder, Synthetic(lists=lists, objectives=int(data[-1])))
    os.environ["SYNTHETIC"] = str(folder)


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median of repeated measurements, with their quartiles as the spread."""
    low, middle, high = (_quantile(sorted(values), share) for share in (0.25, 0.5, 0.75))
    return {"median": middle, "low": low, "high": high}


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> dict[str, float]:
    """Summary of `first / second`, pair by pair: both were measured in turn, so what slows the machine slows both."""
    return summary([one / other for one, other in zip(first, second, strict=True)])


def in_words(spread: Mapping[str, float], digits: int = 2) -> str:
    """A summary as `median (low to high)`."""
    return f"{spread['median']:.{digits}f} ({spread['low']:.{digits}f} to {spread['high']:.{digits}f})"


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between neighbours."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
