"""The picture of a comparison: hypervolumes, and all fronts in one panel for each pair of objectives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from moft.engine.fronts.hypervolume import nondominated
from moft.run.report.figures.figure_style import CYCLE, DOTS, INK, MUTED, PAIRED, shortened, styled
from moft.run.report.figures.front_figure import short_metric
from moft.run.report.figures.parallel_axes import Lines, left_out, parallel_axes
from moft.run.report.front_record import main_title, nouns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

WIDTH = 7.6  # inches: narrow, so that text is still legible on a phone
MARKERS = "osD^vP<*"
SIZES = {"o": 6.5, "s": 6.0, "D": 5.8, "^": 7.0, "v": 7.0, "P": 7.2, "<": 7.0, "*": 9.0}
"""Marker sizes in points, chosen so that all markers look equally large."""
TITLE, LINE = 0.62, 0.2  # inches: height of the title with the space around it, and of each line below it
ROW = 0.34  # inches: height of one entry above the panels
SAME = 1e-9


def comparison_figure(record: Mapping[str, Any]) -> Figure:
    """Hypervolume and main objective of each entry (also the legend), above a panel for each pair of objectives.

    With several seeds, a panel shows attainment surfaces in place of points.

    Args:
        record: the content of `comparison.json`; NaN may be None.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    names, entries = record["objectives"], record["entries"]
    is_many = len(names) > PAIRED
    pairs = [(0, 0)] if is_many else list(combinations(range(len(names)), 2)) or [(0, 0)]
    columns = 1 if len(pairs) == 1 else 2 if len(pairs) <= 10 else 4
    rows = math.ceil(len(pairs) / columns)
    width = WIDTH * (2 if columns == 4 or is_many else 1)
    numbers, panels = 0.75 + ROW * len(entries), rows * (5.6 if columns == 1 else 3.2)
    lines = _what_is_drawn(record)
    header = TITLE + LINE * len(lines)
    height = header + numbers + panels
    with styled():
        below = ConstrainedLayoutEngine(rect=(0.008, 0.004, 0.984, 1 - header / height), w_pad=0.06, h_pad=0.06)
        figure = Figure(figsize=(width, height), dpi=DOTS, layout=below)
        _header(figure, record, lines, height)
        halves = figure.add_gridspec(2, 1, height_ratios=[numbers, panels])
        _numbers(figure, halves[0], record)
        cells = halves[1].subgridspec(rows, columns)
        for index, pair in enumerate(pairs):
            axes = figure.add_subplot(cells[index // columns, index % columns], label="parallel" if is_many else "pair")
            if is_many:
                parallel_axes(axes, names, _lines(entries))
            elif len(names) == 1:
                _series(axes, record)
            else:
                _pair(axes, record, index, pair)
    return figure


def _lines(entries: Sequence[Mapping[str, Any]]) -> list[Lines]:
    """The points of each entry, averaged over its seeds, and the base model of the first, for parallel axes."""
    fronts = [_array([[point["values"] for point in front] for front in entry["points"]]).mean(0) for entry in entries]
    looks = [{"colors": colour_and_marker(at)[0], "linewidths": 0.8, "alpha": 0.6} for at in range(len(entries))]
    named = [shortened(entry["name"], 26) for entry in entries]
    base = Lines(_array([entries[0]["base"]["values"]]), "base model", {"colors": "black", "linewidths": 2.0, "linestyles": "--"})
    return [*(Lines(*parts) for parts in zip(fronts, named, looks, strict=True)), base]


def colour_and_marker(index: int) -> tuple[str, str]:
    """Colour and marker of an entry, by its index. The first 64 are unique; the first eight share neither colour nor marker."""
    around, at = divmod(index, len(CYCLE))
    return CYCLE[at], MARKERS[(at + around) % len(MARKERS)]


def _header(figure: Figure, record: Mapping[str, Any], lines: Sequence[str], height: float) -> None:
    lists, count = nouns_of(record).count_lists(record["lists"]), len(record["weights"])
    points = f"{count:,} point{'' if count == 1 else 's'} each"
    title = f"{short_metric(record['metric'])} on {record['split']}, {lists}, {points}"
    figure.text(0.015, 1 - 0.16 / height, title, fontsize=15, weight="bold", va="top")
    figure.text(0.015, 1 - 0.50 / height, "\n".join(lines), fontsize=10, color=MUTED, va="top", linespacing=1.35)


def _what_is_drawn(record: Mapping[str, Any]) -> list[str]:
    """The lines below the title that explain the picture."""
    m, level = len(record["objectives"]), record["intervals"].split()[0]
    lines = [f"Larger is better on every axis. Bars: {level} intervals over {nouns_of(record).lists}."]
    if _has_seeds(record):
        count = len(record["entries"][0]["seeds"])
        bands = f" Bands: from what all {count} seeds attain to what at least one attains. Lines: what half attain."
        lines.append("Dots: seeds." + (bands if m > 1 else ""))
    elif m > 1:
        lines.append("Lines join the points that no other point of the same run dominates. Small markers: dominated.")
    if m > PAIRED:
        return [lines[0].replace("Bars:", "Bars above:"), left_out(m)]
    return lines + (["Each panel shows two objectives: fronts are projected on them."] if m > 2 else [])


def _has_seeds(record: Mapping[str, Any]) -> bool:
    return len(record["entries"][0]["seeds"]) > 1


def _numbers(figure: Figure, place: Any, record: Mapping[str, Any]) -> None:
    """Hypervolume, and the mean of the main values over the front if there are any, with the names on the left."""
    from matplotlib.ticker import MaxNLocator

    entries = record["entries"]
    measures = [("hypervolume", "Hypervolume")]
    if any(_number(entry["main"]["value"]) == _number(entry["main"]["value"]) for entry in entries):
        measures.append(("main", f"{main_title(record)}, mean"))
    cells = place.subgridspec(1, len(measures))
    heights = np.arange(len(entries))[::-1]
    first = None
    for cell, (measure, title) in zip(cells, measures, strict=True):
        axes = figure.add_subplot(cell, label=measure, sharey=first)
        for at, (y, entry) in enumerate(zip(heights, entries, strict=True)):
            colour, marker = colour_and_marker(at)
            low, high = (_number(end) for end in entry[measure]["ci"])
            axes.hlines([y], [low], [high], colors=colour, linewidth=2.4, alpha=0.75)
            seeds = [_number(value) for value in entry[measure]["by_seed"]]
            if len(seeds) > 1:
                axes.scatter(seeds, [y - 0.27] * len(seeds), s=9, color=colour, linewidths=0)
            value = _number(entry[measure]["value"])
            axes.scatter([value], [y], s=1.5 * SIZES[marker] ** 2, marker=marker, color=colour, edgecolors="white", zorder=4)
        axes.set(title=title, ylim=(-0.6, len(entries) - 0.4))
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, labelleft=first is None)
        axes.margins(x=0.08)
        first = first or axes
    if first is not None:
        first.set_yticks(heights, [shortened(entry["name"], 26) for entry in entries], color=INK, fontsize=11)


def _pair(axes: Axes, record: Mapping[str, Any], index: int, pair: tuple[int, int]) -> None:
    """One objective on the x axis, another one on the y axis."""
    from matplotlib.ticker import MaxNLocator

    names, entries, is_large = record["objectives"], record["entries"], len(record["objectives"]) == 2
    if _has_seeds(record):
        _frame(axes, record, pair)
        for at, entry in enumerate(entries):
            _surfaces(axes, entry["attainment"][index], colour_and_marker(at)[0])
    else:
        _intervals(axes, entries, pair)
        for at, entry in enumerate(entries):
            _points(axes, entry["points"][0], pair, at, 1.0 if is_large else 0.75)
    _bases(axes, entries, pair)
    axes.xaxis.set_major_locator(MaxNLocator(8 if is_large else 4))
    axes.yaxis.set_major_locator(MaxNLocator(8 if is_large else 5))
    longest = 50 if is_large else 26
    axes.set_xlabel(shortened(names[pair[0]], longest), color=INK)
    axes.set_ylabel(shortened(names[pair[1]], longest), color=INK)


def _points(axes: Axes, points: Sequence[Mapping[str, Any]], pair: tuple[int, int], at: int, scale: float) -> None:
    """One front: its points, and a line through those that are not dominated in these two objectives."""
    colour, marker = colour_and_marker(at)
    values, keep = _values_and_front(points, pair)
    size = scale * SIZES[marker]
    look: dict[str, Any] = {"color": colour, "marker": marker}
    axes.plot(*values[~keep].T, linestyle="none", markersize=0.5 * size, alpha=0.55, markeredgewidth=0, zorder=3, **look)
    front = values[keep][np.argsort(values[keep, 0], kind="stable")]
    axes.plot(*front.T, linewidth=1.5, markersize=size, markeredgecolor="white", markeredgewidth=0.7, zorder=4, **look)


def _intervals(axes: Axes, entries: Sequence[Mapping[str, Any]], pair: tuple[int, int]) -> None:
    """The intervals of all points on their fronts, in one collection: many would be slow to draw."""
    from matplotlib.collections import LineCollection

    segments, colours = [], []
    for at, entry in enumerate(entries):
        values, keep = _values_and_front(entry["points"][0], pair)
        ci = _array([point["ci"] for point in entry["points"][0]])[:, pair]
        for (x, y), (across, up) in zip(values[keep], ci[keep], strict=True):
            segments += [[(across[0], y), (across[1], y)], [(x, up[0]), (x, up[1])]]
            colours += 2 * [colour_and_marker(at)[0]]
    axes.add_collection(LineCollection(segments, colors=colours, alpha=0.28, linewidths=1.2, zorder=2))


def _values_and_front(points: Sequence[Mapping[str, Any]], pair: tuple[int, int]) -> tuple[Array, NDArray[np.bool_]]:
    """Values of two objectives, `[n, 2]`, and whether each point is not dominated in them, `[n]`."""
    values = _array([point["values"] for point in points])[:, pair]
    keep: NDArray[np.bool_] = nondominated(torch.from_numpy(values)).numpy()
    return values, keep


def _frame(axes: Axes, record: Mapping[str, Any], pair: tuple[int, int]) -> None:
    """Sets limits that include every point of every seed and every base model; surfaces extend beyond them."""
    points = [point for entry in record["entries"] for front in entry["points"] for point in front]
    values = _array([point["values"] for point in [*points, *(entry["base"] for entry in record["entries"])]])[:, pair]
    for column, axis in zip(values.T, "xy", strict=True):
        known = column[np.isfinite(column)]
        if len(known):
            margin = 0.06 * (np.ptp(known) or 1.0)
            axes.set(**{f"{axis}lim": (known.min() - margin, known.max() + margin)})


def _surfaces(axes: Axes, attainment: Mapping[str, Any], colour: str) -> None:
    """A band from what all seeds attain to what at least one attains, and a line for what half attain."""
    (left, _), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    surfaces = {name: _array(attainment[name]).reshape(-1, 2) for name in ("best", "half", "all")}
    across = np.unique(np.concatenate([[left], *(surface[:, 0] for surface in surfaces.values())]))
    heights = {name: _heights(surface, across, bottom) for name, surface in surfaces.items()}
    axes.fill_between(across, heights["all"], heights["best"], step="pre", color=colour, alpha=0.2, linewidth=0, zorder=2)
    axes.step([*across, across[-1]], [*heights["half"], bottom], where="pre", color=colour, linewidth=1.7, zorder=3)


def _heights(surface: Array, across: Array, bottom: float) -> Array:
    """For each place on the x axis, the largest y that is attained; `bottom` where nothing is."""
    reached = np.where(surface[None, :, 0] >= across[:, None], surface[None, :, 1], bottom)  # [places, vertices]
    heights: Array = reached.max(axis=1, initial=bottom)
    return heights


def _bases(axes: Axes, entries: Sequence[Mapping[str, Any]], pair: tuple[int, int]) -> None:
    """A black cross for the base model; where base models differ, a cross in the colour of each entry."""
    bases = _array([entry["base"]["values"] for entry in entries])
    is_one = bool((np.abs(np.nan_to_num(bases - bases[0])) <= SAME).all())
    for at, (x, y) in enumerate(bases[:1, pair] if is_one else bases[:, pair]):
        colour = "black" if is_one else colour_and_marker(at)[0]
        axes.scatter([x], [y], s=75, marker="x", color=colour, linewidths=2.2, zorder=6)
        if at == 0:
            axes.annotate("base", (x, y), xytext=(6, 5), textcoords="offset points", fontsize=10, color=INK, zorder=6)


def _series(axes: Axes, record: Mapping[str, Any]) -> None:
    """A single objective: its value at every point of the grid, with entries next to each other and seeds averaged."""
    from matplotlib.ticker import MaxNLocator

    entries = record["entries"]
    for at, entry in enumerate(entries):
        colour, marker = colour_and_marker(at)
        fronts = entry["points"]
        values = np.mean([_array([point["values"][0] for point in front]) for front in fronts], axis=0)
        x = np.arange(1, len(values) + 1) + 0.5 * ((at + 0.5) / len(entries) - 0.5)
        if len(fronts) == 1:
            ci = _array([point["ci"][0] for point in fronts[0]])
            axes.vlines(x, ci[:, 0], ci[:, 1], colors=colour, alpha=0.5, linewidth=1.5)
        axes.scatter(x, values, s=SIZES[marker] ** 2, marker=marker, color=colour, edgecolors="white", linewidths=0.7, zorder=4)
    base = _number(entries[0]["base"]["values"][0])
    axes.axhline(base, color="black", linewidth=1.3, zorder=2)
    axes.annotate("base", (0, base), xycoords=("axes fraction", "data"), xytext=(6, 5), textcoords="offset points", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set(xlabel="point of the grid", xlim=(0.5, len(entries[0]["points"][0]) + 0.5))
    axes.set_ylabel(shortened(record["objectives"][0], 40), color=INK)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _array(values: Any) -> Array:
    return np.array(values, dtype=np.float64)
