"""The picture of a front: a panel for each pair of objectives, with the main one among them, the base model and choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from moft.engine.fronts.hypervolume import nondominated
from moft.run.report.dials import dial_text, dials_of, rows_of_dials
from moft.run.report.figures.choice_marks import Chosen
from moft.run.report.figures.figure_style import ACCENT, ELSEWHERE, GRID, INK, MUTED, PAIRED, shortened, styled
from moft.run.report.figures.pair_grid import FEW, below_pairs, cells_of, figure_with_header, longest_label, pair_panels
from moft.run.report.figures.parallel_axes import SHOWN, Lines, left_out, parallel_axes
from moft.run.report.front_record import main_name, nouns_of
from moft.types import MAIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

BETWEEN = 1 - 1e-5
"""Total weight on two objectives from which a point counts as lying between them: weights are float32."""


@dataclass(frozen=True)
class _Points:
    """Measured points as arrays: weights `[n, m]`, values `[n, k]` and ci `[n, k, 2]`; NaN for null.

    The k axes are the objectives, and the main one as the last if it was measured. `dials` are the rows of each dial, and `shown`
    the dials that are not grey.
    """

    weights: Array
    values: Array
    ci: Array
    dials: list[list[int]]
    shown: Sequence[int]

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], m: int, k: int, dial: int | None = None) -> _Points:
        def column(key: str, *shape: int) -> Array:
            return np.array([record.get(key) for record in records], dtype=np.float64).reshape(len(records), *shape)

        dials = rows_of_dials(records)
        shown = range(len(dials)) if dial is None else [dial]
        values = np.concatenate([column("values", m), column("main", 1)], axis=1)[:, :k]
        ci = np.concatenate([column("ci", m, 2), column("main_ci", 1, 2)], axis=1)[:, :k]
        return cls(column("weights", m), values, ci, dials, shown)

    @property
    def is_shown(self) -> NDArray[np.bool_]:
        """`[n]`, whether the dial of each point is shown."""
        keep = np.zeros(len(self.weights), dtype=np.bool_)
        keep[[row for dial in self.shown for row in self.dials[dial]]] = True
        return keep


def front_figure(
    record: Mapping[str, Any], dial: int | None = None, choices: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> Figure:
    """A panel for each pair of axes, which are the objectives and the main one if it was measured; one axis alone has its values.

    More than `FEW` axes are also drawn as parallel axes, below the pairs; more than `PAIRED` as parallel axes alone.

    Args:
        record: the content of `front.json`.
        dial: the index of the one that is shown, with the points of the others in grey; None shows all. The axes are the same.
        choices: of the run by name, the content of `choices/NAME.json`; those that were measured on this split are marked.
    """
    names, m = axis_names(record), len(record["objectives"])
    k = len(names)
    grid = _Points.of(record["points"], m, k, dial)
    both = _Points.of([*record["points"], *record["edges"]], m, k, dial)
    base = _Points.of([{**record["base"], "weights": [np.nan] * m}], m, k)
    chosen = Chosen.of(record, choices)
    title = f"{short_metric(record['metric'])} on {record['split']}, {nouns_of(record).count_lists(record['lists'])}"
    lines = [_how(record, dial), _volume(record["hypervolume"])]
    with styled():
        if k > PAIRED:
            figure, _, below = figure_with_header(title, [*lines, left_out(m, k - m)], 0, 9.0)
        else:
            figure, pairs, below = figure_with_header(title, lines, k, below_pairs(k))
            _panels(figure, pairs, grid, both, base, chosen, record)
        if m == 2 or k == 2:
            _name_dials(figure.axes[0], both, dials_of(record["points"]))
        if below is not None:
            order = range(k) if k <= SHOWN else [*range(SHOWN - (k - m)), *range(m, k)]  # the main one is not left out
            own = [names[at] for at in order]
            parallel_axes(figure.add_subplot(below, label="parallel"), own, _lines(grid, base, chosen, order))
    return figure


def axis_names(record: Mapping[str, Any]) -> list[str]:
    """Names of the objectives, and of the main one if it was measured."""
    called = main_name(record)
    is_measured = any(point["main"] is not None and np.isfinite(point["main"]) for point in [*record["points"], record["base"]])
    return [*record["objectives"], *(["main objective" if called == MAIN else called] if is_measured else [])]


def _panels(
    figure: Figure, place: Any, grid: _Points, both: _Points, base: _Points, chosen: Chosen, record: Mapping[str, Any]
) -> None:
    """All pairs below the diagonal, and the legend in the free cells above it; one axis alone has its values."""
    names, m = axis_names(record), len(record["objectives"])
    metric, k = short_metric(record["metric"]), len(names)
    cells, aside = cells_of(place, k)
    if k == 1:
        axes = figure.add_subplot(cells[0, 0], label="pair")
        _series(axes, grid, base)
        axes.set(title=shortened(names[0], 40), xlabel="point of the grid", ylabel=metric)
    units = [metric] * m + [metric if main_name(record) == MAIN else ""]
    labels = [shortened(name, longest_label(k)) for name in names]
    if k <= FEW:  # smaller panels have no room for the unit, which is in the header
        labels = [f"{label} ({unit})" if unit else label for label, unit in zip(labels, units, strict=False)]
    for panel, across, down in pair_panels(figure, cells, labels):
        _pair(panel, grid, both if down < m else grid, base, across, down)
        chosen.mark(panel, across, down)
    _legend(figure.add_subplot(aside, label="legend"), names, m, chosen)


def _lines(grid: _Points, base: _Points, chosen: Chosen, order: Sequence[int]) -> list[Lines]:
    """The points of the grid for parallel axes, in the order of these."""
    is_vertex, shown = grid.weights.max(1) >= BETWEEN, grid.is_shown
    values = grid.values[:, order]
    others = Lines(values[~shown], "other dials", {"colors": GRID, "linewidths": 0.9})
    return [
        *([] if shown.all() else [others]),
        Lines(values[shown & ~is_vertex], "point of the grid", {"colors": ELSEWHERE, "linewidths": 0.9}),
        Lines(values[shown & is_vertex], "all weight on one objective", {"colors": ACCENT, "linewidths": 1.2, "alpha": 0.7}),
        Lines(base.values[:, order], "base model", {"colors": "black", "linewidths": 2.0, "linestyles": "--"}),
        *chosen.lines(order),
    ]


def short_metric(metric: str) -> str:
    """The metric's first word, for axes and tables: "NDCG@10"."""
    return (metric.split() or [""])[0].rstrip(",;:")


def _colours() -> Colormap:
    """A perceptually uniform colour map, without the ends that are hard to see on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis"](np.linspace(0.02, 0.9, 256)))


def _how(record: Mapping[str, Any], dial: int | None) -> str:
    """How to read the picture, in sentences."""
    how = f"Larger is better on every axis. Bars and brackets: {record['intervals']}."
    dials = [dial_text(each) for each in dials_of(record["points"])]
    if dial is not None:
        return f"Dial {dials[dial]}; grey: the points of other dials. {how}"
    if len(dials) > 1:
        which = f"Dials {', '.join(dials)}" if len(dials) <= 6 else f"{len(dials)} dials"
        return f"{which}; a line joins the points of one dial. {how}"
    return how


def _volume(volume: Mapping[str, Any]) -> str:
    """The hypervolume with its interval, as a sentence."""
    value = "not measured" if volume["value"] is None else f"{volume['value']:.4g}"
    low, high = volume["ci"]
    return f"Hypervolume: {value}" + ("." if low is None or high is None else f" [{low:.4g}, {high:.4g}].")


def _pair(axes: Axes, grid: _Points, points: _Points, base: _Points, i: int, j: int) -> None:
    """Axis i on the x axis, axis j on the y axis; of `points`, only those between these two are shown.

    The main objective has no weight: all points are between it and an objective. Their colour is the weight of the objective.
    """
    is_main = j == grid.weights.shape[1]
    colours = _colours()
    mass, share = _mass_and_share(grid.weights, i, j)
    x, y = grid.values[:, i], grid.values[:, j]
    far = (mass < 0.5) | ~grid.is_shown
    axes.scatter(x[far], y[far], s=20, color=ELSEWHERE, linewidths=0, zorder=2)
    near = (mass >= 0.5) & (mass < BETWEEN) & grid.is_shown
    axes.scatter(x[near], y[near], s=24, c=colours(share[near]), linewidths=0, zorder=3)
    mass, share = _mass_and_share(points.weights, i, j)
    x, y = points.values[:, i], points.values[:, j]
    for at in range(len(points.dials) if not is_main or j == 2 else 0):  # more objectives have no path through all points
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
    barred = is_front if is_main else np.full_like(is_front, fill_value=True)
    rows, ci = between[barred], ci[barred]
    thin: dict[str, Any] = {"colors": colours(share[rows]), "alpha": 0.45, "linewidth": 1.3, "zorder": 2.5}
    axes.hlines(y[rows], ci[:, i, 0], ci[:, i, 1], **thin)
    axes.vlines(x[rows], ci[:, j, 0], ci[:, j, 1], **thin)
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
        x, y = points.values[middle[len(middle) // 2], :2]
        axes.annotate(dial_text(dial), (x, y), (7, 7), textcoords="offset points", fontsize=10, color=INK, zorder=9)


def _mass_and_share(weights: Array, i: int, j: int) -> tuple[Array, Array]:
    """`[n]` twice: total weight of the two objectives, and the share of it that is on the second.

    Beside the main objective, the mass is 1, and the share is the weight that is not on objective i; of two objectives, the
    weight of the second, so that each point has one colour.
    """
    if j == weights.shape[1]:
        return np.ones(len(weights)), weights[:, 1] if j == 2 else 1 - weights[:, i]
    mass = weights[:, i] + weights[:, j]
    return mass, weights[:, j] / np.where(mass > 0, mass, 1)


def _series(axes: Axes, grid: _Points, base: _Points) -> None:
    """Values with intervals by point of the grid, as tables number them, over a line and a band for the base model."""
    from matplotlib.ticker import MaxNLocator

    x, values, ci, base_ci = np.arange(1.0, len(grid.values) + 1), grid.values[:, 0], grid.ci[:, 0], base.ci[0, 0]
    if np.isfinite(base.values[0, 0]):
        axes.axhline(base.values[0, 0], color="black", linewidth=1.3, zorder=2)
    if np.isfinite(base_ci).all():
        axes.axhspan(base_ci[0], base_ci[1], color="black", alpha=0.09, linewidth=0, zorder=1)
    for at, rows in enumerate(grid.dials):
        is_shown = at in grid.shown
        colour = ACCENT if is_shown else ELSEWHERE
        axes.vlines(x[rows], ci[rows, 0], ci[rows, 1], colors=colour, alpha=0.5 if is_shown else 0, linewidth=1.5, zorder=3)
        axes.scatter(x[rows], values[rows], s=36, c=colour, edgecolors="white", linewidths=0.7, zorder=4 if is_shown else 3)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    if len(x) == 1:
        axes.set(xlim=(x[0] - 1, x[0] + 1), xticks=x)


def _legend(axes: Axes, names: Sequence[str], m: int, chosen: Chosen) -> None:
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D

    def dot(face: Any, edge: Any, size: float, line: Any = "none") -> Line2D:
        return Line2D([], [], color=line, linewidth=1, marker="o", markersize=size, mfc=face, mec=edge)

    axes.set_axis_off()
    colours, middle = _colours(), _colours()(0.45)
    entries: list[tuple[Any, str]] = [
        (Line2D([], [], color="black", marker="x", markersize=8, mew=2.2, linewidth=1.3), "base model")
    ]
    if m == 1:
        tuned = dot(ACCENT, "white", 6.5, ACCENT) if len(names) == 1 else dot(colours(0.0), INK, 8, colours(0.0))
        entries.append((tuned, "tuned model"))
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
        if 2 < m < len(names):
            entries.append((three, "beside the main values: all on x → none on x"))
    handles, labels = zip(*entries, *chosen.entries(), strict=True)
    together = {tuple: HandlerTuple(ndivide=None, pad=0)}
    axes.legend(handles, labels, loc="upper left", borderaxespad=0, labelspacing=0.6, handlelength=2.6, handler_map=together)
