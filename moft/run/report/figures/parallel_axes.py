"""Fronts of many objectives on parallel axes: one axis for each objective, one line for each point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moft.run.report.figures.figure_style import INK, MUTED, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
SHOWN = 24
"""The most objectives that have an axis."""


@dataclass(frozen=True)
class Lines:
    """Points that are drawn alike.

    Args:
        values: `[n, m]`; NaN leaves a gap.
        label: for the legend.
        look: of the lines, such as `{"color": "black"}`.
    """

    values: Array
    label: str
    look: dict[str, Any]


def parallel_axes(axes: Axes, names: Sequence[str], groups: Sequence[Lines]) -> None:
    """Draws the points of all groups, the last group on top, and a legend below.

    Every axis reaches from the smallest to the largest value of its objective, which stand at its ends.

    Args:
        axes: to draw on.
        names: of the objectives; only the first `SHOWN` are drawn.
        groups: of points.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    m = min(len(names), SHOWN)
    whole = np.concatenate([group.values[:, :m] for group in groups])
    known = np.isfinite(whole)
    low, high = np.where(known, whole, np.inf).min(0), np.where(known, whole, -np.inf).max(0)
    has_values = high >= low
    size = np.where(has_values & (high > low), high - low, 1.0)
    x = np.arange(m)
    for order, group in enumerate(groups):
        y = (group.values[:, :m] - np.where(has_values, low, 0.0)) / size
        segments = [np.stack([x, row], axis=1) for row in y]
        axes.add_collection(LineCollection(segments, zorder=3 + order, **group.look))
    for place, (end, start, is_known) in enumerate(zip(high, low, has_values, strict=True)):
        for value, height, side in ((end, 1.02, "bottom"), (start, -0.02, "top")) if is_known else ():
            axes.text(place, height, f"{value:.3g}", ha="center", va=side, fontsize=8, color=MUTED)
    axes.set(xlim=(-0.5, m - 0.5), ylim=(-0.1, 1.1), yticks=[])
    axes.set_xticks(x, [shortened(name, 24) for name in names[:m]], rotation=35, ha="right", color=INK)
    axes.grid(axis="x", color=MUTED, alpha=0.4)
    handles = [Line2D([], [], **{"linewidth": 1.5, **_handle(group.look)}) for group in groups]
    axes.legend(handles, [group.label for group in groups], loc="lower left", bbox_to_anchor=(0, 1.02), ncols=3, borderaxespad=0)


def left_out(m: int, more: int = 0) -> str:
    """What a picture of m objectives leaves out that has `more` axes beside theirs, in sentences."""
    pairs = (
        f"With {m} objectives, pairs are not drawn: every line is a point, and crosses the axis of each objective at its value."
    )
    return pairs if m + more <= SHOWN else f"{pairs} The first {SHOWN - more} objectives have an axis."


def _handle(look: dict[str, Any]) -> dict[str, Any]:
    """The look of a line in a legend."""
    return {"color": look.get("colors", INK), "linestyle": look.get("linestyles", "-")}
