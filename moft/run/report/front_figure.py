"""The picture of a front: a panel for each pair of objectives, with the base model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from moft.engine.fronts.hypervolume import nondominated
from moft.run.report.dials import dial_text, dials_of, rows_of_dials
from moft.run.report.figure_style import ACCENT, DOTS, ELSEWHERE, GRID, INK, MUTED, PAIRED, WIDTH, shortened, styled
from moft.run.report.front_record import main_name, main_title, nouns_of
from moft.run.report.parallel_axes import Lines, left_out, parallel_axes
from moft.types import MAIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

BETWEEN = 1 - 1e-5
"""Total weight on two objectives from which a point counts as lying between them: weights are float32."""
HEADER = 0.95  # inches


@dataclass(frozen=True)
class _Points:
    """Measured points as arrays: weights and values `[n, m]`, ci `[n, m, 2]`, main `[n]`, main_ci `[n, 2]`; NaN for null.

    `dials` are the rows of each dial, and `shown` the dials that are not grey.
    """

    weights: Array
    values: Array
    ci: Array
    main: Array
    main_ci: Array
    dials: list[list[int]]
    shown: Sequence[int]

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], m: int, dial: int | None = None) -> _Points:
        def column(key: str, *shape: int) -> Array:
            return np.array([record.get(key) for record in records], dtype=np.float64).reshape(len(records), *shape)

        dials = rows_of_dials(records)
        shown = range(len(dials)) if dial is None else [dial]
        measured = column("values", m), column("ci", m, 2), column("main"), column("main_ci", 2)
        return cls(column("weights", m), *measured, dials, shown)

    @property
    def is_shown(self) -> NDArray[np.bool_]:
        """`[n]`, whether the dial of each point is shown."""
        keep = np.zeros(len(self.weights), dtype=np.bool_)
        keep[[row for dial in self.shown for row in self.dials[dial]]] = True
        return keep


def front_figure(record: Mapping[str, Any], dial: int | None = None) -> Figure:
    """A panel for each pair of objectives (with one objective, for its values), and one for the main objective if there is one.

    More than `PAIRED` objectives are on parallel axes, in one panel.

    Args:
        record: the content of `front.json`.
        dial: the index of the one that is shown, with the points of the others in grey; None shows all. The axes are the same.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    names, m = list(record["objectives"]), len(record["objectives"])
    grid = _Points.of(record["points"], m, dial)
    both = _Points.of([*record["points"], *record["edges"]], m, dial)
    base = _Points.of([{**record["base"], "weights": [np.nan] * m}], m)
    if m > PAIRED:
        return _of_many(record, grid, base, dial)
    side = max(1, m - 1)
    width = max(WIDTH, 2.5 * side)
    height = HEADER + (6.6 if side == 1 else side * min(4.2, 0.74 * width / side))
    with styled():
        below_header = ConstrainedLayoutEngine(rect=(0.006, 0.0, 0.988, 1 - HEADER / height), w_pad=0.07, h_pad=0.07)
        figure = Figure(figsize=(width, height), dpi=DOTS, layout=below_header)
        _header(figure, record, height, dial)
        if side == 1:
            cells = figure.add_gridspec(1, 2, width_ratios=[1.75 if np.isfinite(grid.main).any() else 3, 1])
            aside = cells[0, 1]
        else:
            cells = figure.add_gridspec(side, side)
            aside = cells[: side // 2, side // 2 :]
        metric = short_metric(record["metric"])
        if m == 1:
            axes = figure.add_subplot(cells[0, 0], label="pair")
            _series(axes, grid, _numbers(grid), grid.values[:, 0], grid.ci[:, 0], base.values[0, 0], base.ci[0, 0])
            axes.set(title=shortened(names[0], 40), xlabel="point of the grid", ylabel=metric)
        else:
            _pairs(figure, cells, grid, both, base, names, metric)
            if m == 2:
                _name_dials(figure.axes[0], both, dials_of(record["points"]))
        _aside(figure, aside, grid, base, names, main_title(record), metric if main_name(record) == MAIN else "")
    return figure


def _of_many(record: Mapping[str, Any], grid: _Points, base: _Points, dial: int | None) -> Figure:
    """The points of the grid on parallel axes, above the main values if there are any."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    names, has_main = list(record["objectives"]), np.isfinite(grid.main).any()
    header, height = HEADER + 0.25, 9.0 + (3.2 if has_main else 0.0)
    is_vertex = grid.weights.max(1) >= BETWEEN
    shown = grid.is_shown
    others = Lines(grid.values[~shown], "other dials", {"colors": GRID, "linewidths": 0.9})
    groups = [
        *([] if shown.all() else [others]),
        Lines(grid.values[shown & ~is_vertex], "point of the grid", {"colors": ELSEWHERE, "linewidths": 0.9}),
        Lines(grid.values[shown & is_vertex], "all weight on one objective", {"colors": ACCENT, "linewidths": 1.2, "alpha": 0.7}),
        Lines(base.values, "base model", {"colors": "black", "linewidths": 2.0, "linestyles": "--"}),
    ]
    with styled():
        below = ConstrainedLayoutEngine(rect=(0.006, 0.0, 0.988, 1 - header / height), w_pad=0.07, h_pad=0.07)
        figure = Figure(figsize=(WIDTH, height), dpi=DOTS, layout=below)
        _header(figure, record, height, dial)
        figure.text(0.012, 1 - 0.83 / height, left_out(len(names)), fontsize=11, color=MUTED, va="top")
        cells = figure.add_gridspec(2, 1, height_ratios=[2.2, 1]) if has_main else figure.add_gridspec(1, 1)
        parallel_axes(figure.add_subplot(cells[0, 0], label="parallel"), names, groups)
        if has_main:
            axes = figure.add_subplot(cells[1, 0], label="main")
            _series(axes, grid, _numbers(grid), grid.main, grid.main_ci, base.main[0], base.main_ci[0])
            unit = short_metric(record["metric"]) if main_name(record) == MAIN else ""
            axes.set(title=main_title(record), xlabel="point of the grid", ylabel=unit)
    return figure


def short_metric(metric: str) -> str:
    """The metric's first word, for axes and tables: "NDCG@10"."""
    return (metric.split() or [""])[0].rstrip(",;:")


def _colours() -> Colormap:
    """A perceptually uniform colour map, without the ends that are hard to see on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis"](np.linspace(0.02, 0.9, 256)))


def _header(figure: Figure, record: Mapping[str, Any], height: float, dial: int | None) -> None:
    volume = record["hypervolume"]
    value = "not measured" if volume["value"] is None else f"{volume['value']:.4g}"
    low, high = volume["ci"]
    if low is not None and high is not None:
        value += f"  [{low:.4g}, {high:.4g}]"
    lists = nouns_of(record).count_lists(record["lists"])
    title = f"{short_metric(record['metric'])} on {record['split']}, {lists}: hypervolume {value}"
    left = 0.012
    figure.text(left, 1 - 0.24 / height, title, fontsize=16, weight="bold", va="top")
    how = f"Larger is better on every axis. Bars and brackets: {record['intervals']}."
    dials = [dial_text(each) for each in dials_of(record["points"])]
    if dial is not None:
        how = f"Dial {dials[dial]}; grey: the points of other dials. {how}"
    elif len(dials) > 1:
        which = f"Dials {', '.join(dials)}" if len(dials) <= 6 else f"{len(dials)} dials"
        how = f"{which}; a line joins the points of one dial. {how}"
    figure.text(left, 1 - 0.58 / height, how, fontsize=11, color=MUTED, va="top")


def _pairs(figure: Figure, cells: Any, points: _Points, extra: _Points, base: _Points, names: Sequence[str], metric: str) -> None:
    """A panel for each pair, below the diagonal; columns share the x axis and rows the y axis."""
    from matplotlib.ticker import MaxNLocator

    m, columns, rows = len(names), dict[int, Any](), dict[int, Any]()
    longest, ticks = (40, 8) if m == 2 else (max(14, 72 // (m - 1)), 4)
    unit = f" ({metric})" if m <= 5 else ""  # small panels have no room for it, and it is in the header
    for down in range(1, m):
        for across in range(down):
            axes = figure.add_subplot(cells[down - 1, across], sharex=columns.get(across), sharey=rows.get(down), label="pair")
            columns.setdefault(across, axes)
            rows.setdefault(down, axes)
            _pair(axes, points, extra, base, across, down)
            axes.xaxis.set_major_locator(MaxNLocator(ticks))
            axes.yaxis.set_major_locator(MaxNLocator(ticks))
            is_last, is_first = down == m - 1, across == 0
            axes.tick_params(labelbottom=is_last, labelleft=is_first, length=3)
            axes.set_xlabel(shortened(names[across], longest) + unit if is_last else "")
            axes.set_ylabel(shortened(names[down], longest) + unit if is_first else "")


def _pair(axes: Axes, grid: _Points, points: _Points, base: _Points, i: int, j: int) -> None:
    """Objective i on the x axis, objective j on the y axis; of `points`, only those between these two are shown."""
    colours = _colours()
    mass, share = _mass_and_share(grid.weights, i, j)
    x, y = grid.values[:, i], grid.values[:, j]
    far = (mass < 0.5) | ~grid.is_shown
    axes.scatter(x[far], y[far], s=20, color=ELSEWHERE, linewidths=0, zorder=2)
    near = (mass >= 0.5) & (mass < BETWEEN) & grid.is_shown
    axes.scatter(x[near], y[near], s=24, c=colours(share[near]), linewidths=0, zorder=3)
    mass, share = _mass_and_share(points.weights, i, j)
    x, y = points.values[:, i], points.values[:, j]
    for at in range(len(points.dials)):
        joined = _between(points, at, i, j)
        axes.plot(x[joined], y[joined], color=MUTED if at in points.shown else ELSEWHERE, linewidth=1, zorder=3)
    between = np.concatenate([_between(points, at, i, j) for at in range(len(points.dials))])
    is_front = nondominated(torch.from_numpy(np.stack([x, y], axis=1)[between])).numpy()
    ci = points.ci[between]
    ends = np.stack([ci[:, i], ci[:, j]], axis=-1)  # [k, 2, 2]
    axes.update_datalim(ends[np.isfinite(ends).all(-1)])  # also of dials that are not shown, so that all pictures have one frame
    shown = points.is_shown[between]
    axes.scatter(x[between[~shown]], y[between[~shown]], s=20, color=ELSEWHERE, linewidths=0, zorder=2)
    between, is_front, ci = between[shown], is_front[shown], ci[shown]
    thin: dict[str, Any] = {"colors": colours(share[between]), "alpha": 0.45, "linewidth": 1.3, "zorder": 2.5}
    axes.hlines(y[between], ci[:, i, 0], ci[:, i, 1], **thin)
    axes.vlines(x[between], ci[:, j, 0], ci[:, j, 1], **thin)
    for keep, size, edge, width in ((~is_front, 34, "white", 0.7), (is_front, 62, INK, 1.3)):
        rows = between[keep]
        axes.scatter(x[rows], y[rows], s=size, c=colours(share[rows]), edgecolors=edge, linewidths=width, zorder=4)
    (base_x, base_y), across, up = base.values[0, [i, j]], base.ci[0, i], base.ci[0, j]
    axes.hlines([base_y], [across[0]], [across[1]], colors="black", linewidth=1.3, zorder=5)
    axes.vlines([base_x], [up[0]], [up[1]], colors="black", linewidth=1.3, zorder=5)
    axes.scatter([base_x], [base_y], s=75, marker="x", color="black", linewidths=2.2, zorder=6)


def _between(points: _Points, dial: int, i: int, j: int) -> NDArray[np.intp]:
    """The rows of one dial with all weight on two objectives, in the order of their weights."""
    mass, share = _mass_and_share(points.weights, i, j)
    rows = np.array([row for row in points.dials[dial] if mass[row] >= BETWEEN], dtype=np.intp)
    return rows[np.argsort(share[rows], kind="stable")]


def _name_dials(axes: Axes, points: _Points, dials: Sequence[Any]) -> None:
    """Writes each dial beside the middle of its line, if there are several."""
    for at, dial in enumerate(dials if len(dials) > 1 else []):
        middle = _between(points, at, 0, 1)
        place = points.values[middle[len(middle) // 2]]
        axes.annotate(dial_text(dial), place, (7, 7), textcoords="offset points", fontsize=10, color=INK, zorder=7)


def _mass_and_share(weights: Array, i: int, j: int) -> tuple[Array, Array]:
    """`[n]` twice: total weight of the two objectives, and the share of it that is on the second."""
    mass = weights[:, i] + weights[:, j]
    return mass, weights[:, j] / np.where(mass > 0, mass, 1)


def _aside(figure: Figure, place: Any, grid: _Points, base: _Points, names: Sequence[str], title: str, unit: str) -> None:
    """The panel of the main values if there are any, and the legend below it."""
    m = len(names)
    legend = place
    if np.isfinite(grid.main).any():
        if m == 3 or (m > 2 and m % 2 == 0):  # the free cells are wide, or few
            main, legend = place.subgridspec(1, 2, width_ratios=[1.4, 1])
        else:
            main, legend = place.subgridspec(2, 1, height_ratios=[1.4, 1])
        axes = figure.add_subplot(main, label="main")
        x = grid.weights[:, 1] if m == 2 else _numbers(grid)
        tints = _colours()(grid.weights[:, 1]) if m == 2 else None
        _series(axes, grid, x, grid.main, grid.main_ci, base.main[0], base.main_ci[0], tints)
        across = f"weight of {shortened(names[1], 30)}" if m == 2 else "point of the grid"
        axes.set(title=title, xlabel=across, ylabel=unit)
        if m == 2:
            axes.set(xlim=(-0.04, 1.04), xticks=np.linspace(0, 1, 6))
    _legend(figure.add_subplot(legend, label="legend"), names)


def _numbers(grid: _Points) -> Array:
    """1 to n, as tables number the points."""
    return np.arange(1, len(grid.main) + 1, dtype=np.float64)


def _series(
    axes: Axes, grid: _Points, x: Array, values: Array, ci: Array, base: float, base_ci: Array, tints: Any = None
) -> None:
    """Values with intervals from left to right, over a line and a band for the base model; the points of a dial are joined."""
    from matplotlib.ticker import MaxNLocator

    if np.isfinite(base):
        axes.axhline(base, color="black", linewidth=1.3, zorder=2)
    if np.isfinite(base_ci).all():
        axes.axhspan(base_ci[0], base_ci[1], color="black", alpha=0.09, linewidth=0, zorder=1)
    for at, rows in enumerate(grid.dials):
        is_shown = at in grid.shown
        colours: Any = ELSEWHERE if not is_shown else ACCENT if tints is None else tints[rows]
        if len(grid.dials) > 1:
            order = np.array(rows)[np.argsort(x[rows], kind="stable")]
            axes.plot(x[order], values[order], color=MUTED if is_shown else ELSEWHERE, linewidth=1, zorder=2.5)
        axes.vlines(x[rows], ci[rows, 0], ci[rows, 1], colors=colours, alpha=0.5 if is_shown else 0, linewidth=1.5, zorder=3)
        axes.scatter(x[rows], values[rows], s=36, c=colours, edgecolors="white", linewidths=0.7, zorder=4 if is_shown else 3)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=tints is None))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    if len(x) == 1:
        axes.set(xlim=(x[0] - 1, x[0] + 1), xticks=x)


def _legend(axes: Axes, names: Sequence[str]) -> None:
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D

    def dot(face: Any, edge: Any, size: float, line: str = "none") -> Line2D:
        return Line2D([], [], color=line, linewidth=1, marker="o", markersize=size, mfc=face, mec=edge)

    axes.set_axis_off()
    m, colours, middle = len(names), _colours(), _colours()(0.45)
    entries: list[tuple[Any, str]] = [
        (Line2D([], [], color="black", marker="x", markersize=8, mew=2.2, linewidth=1.3), "base model")
    ]
    if m == 1:
        entries.append((Line2D([], [], color=ACCENT, marker="o", markersize=6, linewidth=1.5), "tuned model"))
    else:
        first, second = (shortened(name, 18) for name in names[:2]) if m == 2 else ("x", "y")
        only = "" if m == 2 else "all weight on the pair: "
        whose = "the" if m == 2 else "its"
        entries.append((dot(middle, INK, 8, MUTED), f"{only}on {whose} front"))
        entries.append((dot(middle, "white", 6.5, MUTED), f"{only}dominated"))
        if m > 2:
            entries.append((dot(middle, middle, 4.5), "most weight on the pair"))
            entries.append((dot(ELSEWHERE, ELSEWHERE, 4), "most weight elsewhere"))
        three = tuple(dot(colours(at), colours(at), 5.5) for at in (0.0, 0.5, 1.0))
        entries.append((three, f"weight: all on {first} → all on {second}"))
    handles, labels = zip(*entries, strict=True)
    together = {tuple: HandlerTuple(ndivide=None, pad=0)}
    axes.legend(handles, labels, loc="upper left", borderaxespad=0, labelspacing=0.6, handlelength=2.6, handler_map=together)
