"""Marks the choices of a run in the picture of its front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moft.run.report.figures.figure_style import CYCLE, MUTED, shortened
from moft.run.report.figures.parallel_axes import Lines
from moft.run.report.front_record import main_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Array = NDArray[np.float64]

_COLOURS, _MARKERS = CYCLE[1:], "*DPsv"
NAMED = 12
"""The most choices whose names are in a legend."""


@dataclass(frozen=True)
class Chosen:
    """The choices that were measured on the split of a front.

    Args:
        names: of the choices.
        values: `[n, m + 1]`, of the objectives and the main one; NaN for null.
    """

    names: Sequence[str]
    values: Array

    @classmethod
    def of(cls, record: Mapping[str, Any], choices: Mapping[str, Mapping[str, Any]]) -> Chosen:
        """From the content of `front.json` and of `choices/NAME.json` by name."""
        wanted = [*record["objectives"], main_name(record)]
        found = {name: _values(choice, record["split"]) for name, choice in choices.items()}
        rows = [[values.get(each) for each in wanted] for values in found.values() if values]
        return cls(
            [name for name, values in found.items() if values], np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))
        )

    def mark(self, axes: Axes, i: int, j: int) -> None:
        """Marks the choices in the panel of the axes i and j."""
        for at, row in enumerate(self.values):
            look: dict[str, Any] = {"s": 190 if _marker(at) == "*" else 70, "edgecolors": "white", "linewidths": 0.9, "zorder": 8}
            axes.scatter(row[[i]], row[[j]], marker=_marker(at), color=_colour(at), label=self.names[at], **look)

    def entries(self) -> list[tuple[Line2D, str]]:
        """Of a legend."""
        from matplotlib.lines import Line2D

        found = []
        for at, name in enumerate(self.names[:NAMED]):
            size = 13 if _marker(at) == "*" else 8
            star = Line2D([], [], color="none", marker=_marker(at), markersize=size, mfc=_colour(at), mec="white")
            found.append((star, f"choice {shortened(name, 24)}"))
        more = len(self.names) - NAMED
        return [*found, *([(Line2D([], [], color="none"), f"and {more} other choices")] if more > 0 else [])]

    def lines(self, order: Sequence[int]) -> list[Lines]:
        """Each choice for parallel axes in the order of these."""
        rows = self.values[:, order]
        named = [
            Lines(rows[[at]], f"choice {shortened(name, 24)}", {"colors": _colour(at), "linewidths": 2.0})
            for at, name in enumerate(self.names[:NAMED])
        ]
        more = Lines(rows[NAMED:], "other choices", {"colors": MUTED, "linewidths": 2.0})
        return [*named, *([more] if len(more.values) else [])]


def _colour(at: int) -> str:
    return _COLOURS[at % len(_COLOURS)]


def _marker(at: int) -> str:
    return _MARKERS[at // len(_COLOURS) % len(_MARKERS)]


def _values(choice: Mapping[str, Any], split: str) -> dict[str, Any]:
    """The values of a choice on a split, by outcome; none if it was not measured there."""
    if split == "validation":
        return {outcome["name"]: outcome["validation"] for outcome in choice["outcomes"]}
    if split == "test" and choice["test"] is not None:
        return {outcome["name"]: outcome["value"] for outcome in choice["test"]["outcomes"]}
    return {}
