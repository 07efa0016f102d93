"""The picture of curves: hypervolume and best value of each objective over the mean main value, along the dial."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from moft.run.comparison.comparison_figure import LINE, SIZES, TITLE, WIDTH, colour_and_marker
from moft.run.report.dials import dial_text
from moft.run.report.figures.figure_style import DOTS, INK, MUTED, shortened, styled
from moft.run.report.figures.front_figure import short_metric
from moft.run.report.front_record import main_title, nouns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curve_figure(record: Mapping[str, Any]) -> Figure:
    """A panel for the hypervolume, and one for each objective, over the mean main value; a point for each dial.

    Args:
        record: the content of `comparison.json`, with `curves`; NaN may be None.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    curves = record["curves"]
    measures, entries = ["hypervolume", *record["objectives"]], curves["entries"]
    columns = 2 if len(measures) <= 9 else 4
    rows, names = 1 + math.ceil((len(measures) - 1) / columns), math.ceil(len(entries) / 2)
    width = WIDTH * columns / 2
    lines = [
        f"Larger is better on both axes. Bars: {record['intervals'].split()[0]} intervals over {nouns_of(record).lists}.",
        "A point is a dial, written beside it; the line between two points is interpolated.",
    ]
    header = TITLE + LINE * len(lines) + 0.24 * names
    height = header + 4.4 + 2.9 * (rows - 1)
    with styled():
        below = ConstrainedLayoutEngine(rect=(0.008, 0.004, 0.984, 1 - header / height), w_pad=0.06, h_pad=0.06)
        figure = Figure(figsize=(width, height), dpi=DOTS, layout=below)
        called = main_title(record)
        title = f"{short_metric(record['metric'])} on {record['split']}, at the same {called[:1].lower()}{called[1:]}"
        figure.text(0.015, 1 - 0.16 / height, title, fontsize=15, weight="bold", va="top")
        figure.text(0.015, 1 - 0.50 / height, "\n".join(lines), fontsize=10, color=MUTED, va="top", linespacing=1.35)
        cells = figure.add_gridspec(rows, columns, height_ratios=[4.4, *[2.9] * (rows - 1)])
        for index, measure in enumerate(measures):
            down, across = (0, slice(None)) if index == 0 else (1 + (index - 1) // columns, (index - 1) % columns)
            axes = figure.add_subplot(cells[down, across], label="curve")
            _panel(axes, record, index - 1)
            axes.set_title("Hypervolume" if index == 0 else f"{shortened(measure, 30)}, best")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        place = (0.01, 1 - (TITLE + LINE * len(lines) - 0.12) / height)
        figure.legend(handles, labels, loc="upper left", bbox_to_anchor=place, ncols=2, borderaxespad=0)
    return figure


def _panel(axes: Axes, record: Mapping[str, Any], objective: int) -> None:
    """The curves of an objective, by its index, or of the hypervolume for -1."""
    from matplotlib.ticker import MaxNLocator

    is_first = objective < 0
    for at, entry in enumerate(record["curves"]["entries"]):
        colour, marker = colour_and_marker(at)
        points = sorted(entry["points"], key=lambda point: point["main"])
        x = np.array([point["main"] for point in points], dtype=np.float64)
        y = np.array([point["hypervolume"] if is_first else point["best"][objective] for point in points], dtype=np.float64)
        across = np.array([point["main_ci"] for point in points], dtype=np.float64)
        bounds = [point["hypervolume_ci"] if is_first else point["best_ci"][objective] for point in points]
        up = np.array(bounds, dtype=np.float64)
        axes.hlines(y, across[:, 0], across[:, 1], colors=colour, alpha=0.28, linewidth=1.2, zorder=2)
        axes.vlines(x, up[:, 0], up[:, 1], colors=colour, alpha=0.28, linewidth=1.2, zorder=2)
        name, size = shortened(entry["name"], 34), SIZES[marker] * (1.0 if is_first else 0.75)
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": size, "markeredgecolor": "white"}
        axes.plot(x, y, linewidth=1.5, zorder=4, label=name, **look)
        if is_first:
            for point, place in zip(points, zip(x, y, strict=True), strict=True):
                axes.annotate(dial_text(point["dial"]), place, (5, 5), textcoords="offset points", fontsize=8, color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(8 if is_first else 4))
    axes.yaxis.set_major_locator(MaxNLocator(6 if is_first else 4))
    axes.set_xlabel(f"{main_title(record)}, mean", color=INK)
