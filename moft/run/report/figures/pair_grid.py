"""The layout of pictures with a panel for each pair of axes: header, panels below the diagonal, and a place for the legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from moft.run.report.figures.figure_style import DOTS, MUTED, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 5
"""The most axes of which a picture has the pairs alone; more are also parallel axes."""
_PARALLEL = 5.2
"""Height of parallel axes below the pairs, in inches."""


def figure_with_header(title: str, lines: Sequence[str], paired: int, parallel: float | None) -> tuple[Figure, Any, Any]:
    """A figure with its header, and the places of the pairs and of parallel axes; None where there are none.

    Args:
        title: of the figure.
        lines: below it.
        paired: number of axes whose pairs have a panel; 0 for no pairs.
        parallel: height of the parallel axes in inches, None for no such axes.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    side = max(1, paired - 1)
    width = max(WIDTH, 2.5 * side)
    above = 0.0 if not paired else 6.6 if side == 1 else side * min(4.2, 0.74 * width / side)
    header, below = 0.6 + 0.25 * len(lines), parallel or 0.0
    height = header + above + below
    layout = ConstrainedLayoutEngine(rect=(0.006, 0.0, 0.988, 1 - header / height), w_pad=0.07, h_pad=0.07)
    figure = Figure(figsize=(width, height), dpi=DOTS, layout=layout)
    figure.text(0.012, 1 - 0.24 / height, title, fontsize=16, weight="bold", va="top")
    for row, line in enumerate(lines):
        figure.text(0.012, 1 - (0.58 + 0.25 * row) / height, line, fontsize=11, color=MUTED, va="top")
    if above and below:
        places = figure.add_gridspec(2, 1, height_ratios=[above, below])
        return figure, places[0, 0], places[1, 0]
    whole = figure.add_gridspec(1, 1)[0, 0]
    return figure, whole if above else None, whole if below else None


def below_pairs(count: int) -> float | None:
    """Height of the parallel axes below the pairs of so many axes, in inches; None for none."""
    return _PARALLEL if count > FEW else None


def cells_of(place: Any, paired: int) -> tuple[Any, Any]:
    """The cells of the pairs of axes, and the place of the legend."""
    side = paired - 1
    if side <= 1:
        cells = place.subgridspec(1, 2, width_ratios=[3, 1])
        return cells, cells[0, 1]
    cells = place.subgridspec(side, side)
    return cells, cells[: side // 2, side // 2 :]


def pair_panels(figure: Figure, cells: Any, labels: Sequence[str]) -> Iterator[tuple[Axes, int, int]]:
    """A panel for each pair, below the diagonal, with its column and row; columns share the x axis and rows the y axis."""
    from matplotlib.ticker import MaxNLocator

    k, columns, rows = len(labels), dict[int, Any](), dict[int, Any]()
    ticks = 8 if k == 2 else 4
    for down in range(1, k):
        for across in range(down):
            axes = figure.add_subplot(cells[down - 1, across], sharex=columns.get(across), sharey=rows.get(down), label="pair")
            columns.setdefault(across, axes)
            rows.setdefault(down, axes)
            axes.xaxis.set_major_locator(MaxNLocator(ticks))
            axes.yaxis.set_major_locator(MaxNLocator(ticks))
            is_last, is_first = down == k - 1, across == 0
            axes.tick_params(labelbottom=is_last, labelleft=is_first, length=3)
            axes.set_xlabel(labels[across] if is_last else "")
            axes.set_ylabel(labels[down] if is_first else "")
            yield axes, across, down


def longest_label(count: int) -> int:
    """Letters of a name for which small panels of so many axes have room."""
    return 40 if count == 2 else max(18 if count <= 6 else 14, 72 // max(1, count - 1))
