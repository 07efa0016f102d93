"""The picture of a choice: pairs of outcomes of all measured tradeoffs, with the bounds, the base model and the choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from moft.run.report.choice_words import promise_words, wish_words
from moft.run.report.figures.figure_style import ACCENT, CYCLE, ELSEWHERE, INK, shortened, styled
from moft.run.report.figures.pair_grid import FEW, below_pairs, cells_of, figure_with_header, longest_label, pair_panels
from moft.run.report.figures.parallel_axes import Lines, parallel_axes
from moft.types import Nouns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_STAR = CYCLE[1]
_CHOICE: Any = {"s": 260, "marker": "*", "color": _STAR, "edgecolors": "white", "linewidths": 0.9, "zorder": 6, "label": "choice"}
_BAND: Any = {"color": ACCENT, "alpha": 0.45, "linewidth": 6, "solid_capstyle": "butt", "clip_on": False, "zorder": 1}
"""The look of a reachable range, along an axis."""
_LONGEST, _LINES = 150, 3
"""Letters in a line of the header, and lines of one sentence."""


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What is drawn of one outcome.

    Args:
        name: of the outcome.
        values: `[n]`, of the measured tradeoffs.
        base: value of the base model.
        choice: value of the choice.
        least: the bound; None without one.
        reachable: lowest and highest value within the bounds; None where nothing keeps them.
    """

    name: str
    values: Array
    base: float
    choice: float
    least: float | None
    reachable: tuple[float, float] | None


def choice_figure(name: str, choice: Mapping[str, Any], measured: Mapping[str, Any], nouns: Nouns) -> Figure:
    """A panel for each pair of outcomes, on the validation split; one outcome alone is drawn over the dial.

    Of more than `FEW` outcomes, the pairs of those in the wish come first, and all are on parallel axes below.

    Args:
        name: of the choice.
        choice: the content of `choices/NAME.json`.
        measured: `dials` `[n]`, `means` `[n, outcomes]` and `base` `[outcomes]` of all tradeoffs that were measured, and on how
            many `lists`. If that is a part of them, means are moved by what the base model's differ on all lists.
        nouns: of the task.
    """
    outcomes = _outcomes(choice, measured)
    kept = np.full(len(measured["means"]), fill_value=True)
    for outcome in outcomes:
        kept &= True if outcome.least is None else outcome.values >= outcome.least
    drawn, k = _drawn(outcomes, choice["wish"]), min(FEW, len(outcomes))
    wish = wish_words(choice["wish"])
    title = f"Choice {shortened(name, 30)}: {shortened(wish, 75)}"
    sentences = [*([f"Wish: {wish}."] if wish not in title else []), *_sentences(choice, len(kept), measured["lists"], nouns)]
    lines = [line for each in sentences for line in wrap(each, _LONGEST, max_lines=_LINES, placeholder=" …")]
    with styled():
        figure, place, below = figure_with_header(title, lines, k, below_pairs(len(outcomes)))
        cells, aside = cells_of(place, k)
        if k == 1:
            _over_dials(figure.add_subplot(cells[0, 0], label="pair"), drawn[0], np.array(measured["dials"]), kept, choice)
        for axes, across, down in pair_panels(figure, cells, [shortened(each.name, longest_label(k)) for each in drawn]):
            _pair(axes, drawn[across], drawn[down], kept)
        for axes in (axes for axes in figure.axes if axes.get_label() == "pair"):
            _name(axes, name)
        _legend(figure.add_subplot(aside, label="legend"), name, choice)
        if below is not None:
            groups = _parallel(outcomes, kept, has_bounds=bool(choice["bounds"]))
            parallel_axes(figure.add_subplot(below, label="parallel"), [each.name for each in outcomes], groups)
    return figure


def _outcomes(choice: Mapping[str, Any], measured: Mapping[str, Any]) -> list[_Outcome]:
    means, base = (np.array(measured[key], dtype=np.float64) for key in ("means", "base"))
    least = {bound["outcome"]: bound["least"] for bound in choice["bounds"]}
    return [
        _Outcome(
            each["name"],
            means[:, at] + (each["base"] - base[at]),
            each["base"],
            each["validation"],
            least.get(each["name"]),
            None if None in each["reachable"] else tuple(each["reachable"]),
        )
        for at, each in enumerate(choice["outcomes"])
    ]


def _drawn(outcomes: Sequence[_Outcome], wish: Mapping[str, Any]) -> list[_Outcome]:
    """Those that have panels, in their order."""
    like = wish["like"] if isinstance(wish["like"], Mapping) else {}  # not a mapping: a point of the front, with all outcomes
    named = {wish["maximise"], *(wish["share"] or {}), *like}
    first = sorted(outcomes, key=lambda each: each.least is None and each.name not in named)[:FEW]
    return [each for each in outcomes if each in first]


def _sentences(choice: Mapping[str, Any], count: int, measured: int, nouns: Nouns) -> list[str]:
    """What the header says below the title."""
    weights = ", ".join(f"{name} {weight:.3f}" for name, weight in choice["weights"].items())
    new = nouns.count_lists(choice["new_lists"])
    promise = f"Promised on {new} of new data: {promise_words(choice)}. " if choice["bounds"] else ""
    k = len(choice["outcomes"])
    some = f" Pairs: {FEW} of {k} outcomes; all are below." if k > FEW else ""
    reachable = ", ".join(
        f"{each['name']} {each['reachable'][0]:.4g} to {each['reachable'][1]:.4g}"
        for each in choice["outcomes"]
        if None not in each["reachable"]
    )
    within = "Reachable within the bounds" if choice["bounds"] else "Reachable"
    lists = f"{'' if measured == choice['lists'] else f'{measured:,} of '}{nouns.count_lists(choice['lists'])}"
    return [
        f"Each dot is one of {count} measured tradeoffs: means over {lists} of the validation split. Larger is better.{some}",
        f"{promise}Dial {choice['dial']:.3g}; weights {weights}.",
        f"{within}: {reachable or 'nothing that was measured'}.",
    ]


def _pair(axes: Axes, x: _Outcome, y: _Outcome, kept: NDArray[np.bool_]) -> None:
    """Outcome x on the x axis, outcome y on the y axis."""
    axes.scatter(x.values[~kept], y.values[~kept], s=22, color=ELSEWHERE, linewidths=0, zorder=2)
    axes.scatter(x.values[kept], y.values[kept], s=30, color=ACCENT, edgecolors="white", linewidths=0.6, zorder=3)
    axes.scatter([x.base], [y.base], s=75, marker="x", color="black", linewidths=2.2, zorder=5)
    axes.scatter([x.choice], [y.choice], **_CHOICE)
    if x.least is not None:
        axes.axvline(x.least, color=INK, linewidth=1.2, linestyle="--", zorder=4)
    if x.reachable is not None:
        axes.plot(x.reachable, [0, 0], transform=axes.get_xaxis_transform(), label="reachable", **_BAND)
    _level(axes, y)


def _over_dials(axes: Axes, outcome: _Outcome, dials: Array, kept: NDArray[np.bool_], choice: Mapping[str, Any]) -> None:
    """One outcome over the dial, which is all that can be chosen."""
    axes.scatter(dials[~kept], outcome.values[~kept], s=22, color=ELSEWHERE, linewidths=0, zorder=2)
    axes.scatter(dials[kept], outcome.values[kept], s=30, color=ACCENT, edgecolors="white", linewidths=0.6, zorder=3)
    axes.axhline(outcome.base, color="black", linewidth=1.3, zorder=2)
    axes.scatter([choice["dial"]], [outcome.choice], **_CHOICE)
    axes.set(xscale="log", xlabel="dial", ylabel=shortened(outcome.name, 40))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    _level(axes, outcome)


def _level(axes: Axes, y: _Outcome) -> None:
    """The bound and the reachable range of the outcome on the y axis."""
    if y.least is not None:
        axes.axhline(y.least, color=INK, linewidth=1.2, linestyle="--", zorder=4)
    if y.reachable is not None:
        axes.plot([0, 0], y.reachable, transform=axes.get_yaxis_transform(), label="reachable", **_BAND)


def _name(axes: Axes, name: str) -> None:
    """Writes the name of the choice beside its star, on the side where there is more room."""
    from matplotlib.patheffects import withStroke

    (star,) = (drawn for drawn in axes.collections if drawn.get_label() == "choice")
    x, y = np.asarray(star.get_offsets())[0]
    is_left = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[0] < 0.5
    axes.annotate(
        shortened(name, 18),
        (x, y),
        (10 if is_left else -10, 0),
        textcoords="offset points",
        ha="left" if is_left else "right",
        va="center",
        color=_STAR,
        weight="bold",
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        zorder=7,
    )


def _parallel(outcomes: Sequence[_Outcome], kept: NDArray[np.bool_], *, has_bounds: bool) -> list[Lines]:
    values = np.stack([each.values for each in outcomes], axis=1)
    one = np.array([[[each.base for each in outcomes]], [[each.choice for each in outcomes]]], dtype=np.float64)
    look: dict[str, Any] = {"linewidths": 0.8, "alpha": 0.6}
    own = Lines(values[kept], "keeps all bounds" if has_bounds else "measured tradeoff", {"colors": ACCENT, **look})
    return [
        *([Lines(values[~kept], "misses a bound", {"colors": ELSEWHERE, **look})] if has_bounds else []),
        own,
        Lines(one[0], "base model", {"colors": "black", "linewidths": 2.0, "linestyles": "--"}),
        Lines(one[1], "choice", {"colors": _STAR, "linewidths": 2.4}),
    ]


def _legend(axes: Axes, name: str, choice: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    def mark(marker: str, size: float, colour: str, **look: Any) -> Line2D:
        return Line2D([], [], color="none", marker=marker, markersize=size, mfc=colour, mec=colour, **look)

    axes.set_axis_off()
    line = 1.3 if len(choice["outcomes"]) == 1 else 0
    band = Line2D([], [], color=ACCENT, alpha=0.45, linewidth=6)
    entries = [
        (Line2D([], [], color="black", marker="x", markersize=8, mew=2.2, linewidth=line), "base model"),
        (mark("*", 14, _STAR), f"choice {shortened(name, 24)}"),
    ]
    if choice["bounds"]:
        entries += [(mark("o", 6, ACCENT), "keeps all bounds"), (mark("o", 5, ELSEWHERE), "misses a bound")]
        entries += [(Line2D([], [], color=INK, linewidth=1.2, linestyle="--"), "bound"), (band, "reachable within the bounds")]
    else:
        entries += [(mark("o", 6, ACCENT), "measured tradeoff"), (band, "reachable")]
    handles, labels = zip(*entries, strict=True)
    axes.legend(handles, labels, loc="upper left", borderaxespad=0, labelspacing=0.6, handlelength=2.6)
