"""The picture of a run's training: loss and validation of every job over its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moft.run.report.figures.figure_style import CYCLE, DOTS, WIDTH, shortened, styled
from moft.types import MAIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALWAYS = {"step", "job", "jobs", "loss", "gradient", "learning_rate", "progress", "epoch", "epochs", "seconds", "lists"}
"""Values that every step has; all others come from an evaluation."""
LOSS = ("loss",)
COLUMNS = 3
"""Panels in a row; one job has no more, so all its panels are in one row."""


def training_figure(steps: Sequence[Mapping[str, Any]], main: str = MAIN) -> Figure:
    """Loss and validation of every job over its steps.

    Args:
        steps: rows of `steps.jsonl`; at least one.
        main: name of the main values.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    jobs: dict[str, list[Mapping[str, Any]]] = {}
    for values in steps:
        jobs.setdefault(str(values["job"]), []).append(values)
    places, row, column = list[tuple[int, int, str, tuple[str, ...]]](), 0, 0
    for job, rows in jobs.items():
        panels = _panels_of(rows)
        if column + len(panels) > COLUMNS:
            row, column = row + 1, 0
        places += [(row, column + index, job, keys) for index, keys in enumerate(panels)]
        column += len(panels)
    columns = max(place[1] for place in places) + 1
    with styled():
        size = (max(7.5, WIDTH / COLUMNS * columns), 3.5 * (row + 1))
        figure = Figure(figsize=size, dpi=DOTS, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
        cells = figure.add_gridspec(row + 1, columns)
        for at, across, job, keys in places:
            axes = figure.add_subplot(cells[at, across], label="curve")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set(xlabel="step")
            _curves(axes, jobs[job], keys, main)
            what = shortened(keys[0], 24) if len(keys) == 1 else "objectives"
            axes.set_title(f"{shortened(job, 20)}: {what}{'' if keys == LOSS else ' (validation)'}", fontsize=10.5)
    return figure


def _panels_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The panels of one job: its loss, its hypervolume, and all other values of its evaluations."""
    measured = list(dict.fromkeys(key for row in rows for key in row if key not in ALWAYS and _is_number(row[key])))
    others = tuple(key for key in measured if key != "hypervolume")
    volume = [("hypervolume",)] if "hypervolume" in measured else []
    return [LOSS, *volume, *([others] if others else [])]


def _curves(axes: Axes, rows: Sequence[Mapping[str, Any]], keys: tuple[str, ...], main: str) -> None:
    for index, key in enumerate(keys):
        found = [(row["step"], row[key]) for row in rows if _is_number(row.get(key))]
        x, y = np.array(found, dtype=np.float64).reshape(-1, 2).T
        colour = CYCLE[index % len(CYCLE)]
        if key == "loss":
            axes.plot(x, y, color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(x, _smoothed(y), color=colour, linewidth=1.8)
        else:
            label = f"{main}, mean over the grid" if key == MAIN else shortened(key, 28)
            axes.plot(x, y, "--" if key == MAIN else "-", color=colour, marker="o", markersize=4, linewidth=1.5, label=label)
    axes.set_xlim(0, 1.03 * max(row["step"] for row in rows))
    if len(keys) > 1:
        low, high = axes.get_ylim()
        lines = -(-len(keys) // 2)
        axes.set_ylim(low - (high - low) * lines * 0.09, high)  # room for the legend
        axes.legend(fontsize=9, loc="lower left", ncols=2, borderaxespad=0.2)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moving mean over a twentieth of the steps, with a narrower window at both ends."""
    half, count = len(values) // 40, len(values)
    kernel = np.ones(2 * half + 1)
    total, seen = np.convolve(values, kernel), np.convolve(np.ones(count), kernel)
    return total[half : half + count] / seen[half : half + count]
