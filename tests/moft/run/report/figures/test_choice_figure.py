"""The picture of a choice has every measured tradeoff, the bounds, the base model and the choice."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from moft.run.report.figures.choice_figure import choice_figure
from moft.run.report.figures.figure_style import ACCENT, ELSEWHERE, INK, png
from moft.types import Nouns

NAMES = ("clicks", "quality", "main", "revenue", "novelty", "length", "depth")
SEEN = ("misses", "keeps", "base", "choice")


def chosen(count, bounds=(("quality", 0.5),), *, reachable=(0.1, 0.9), maximise="clicks", lists=80):
    """A choice of so many outcomes, and the tradeoffs that were measured for it."""
    means = np.random.default_rng(0).random((30, count))
    outcomes = [
        {"name": name, "base": 0.4, "validation": 0.6, "validation_ci": [0.5, 0.7], "reachable": list(reachable)}
        for name in NAMES[:count]
    ]
    wish = {"keep": [f"{name} >= {at}" for name, at in bounds], "maximise": maximise, "share": None, "like": None}
    choice = {
        **{"weights": {"clicks": 0.25, "quality": 0.75}, "dial": 2.0, "wish": {**wish, "confidence": 0.9}, "is_promised": True},
        **{"confidence": 0.93, "outcomes": outcomes, "lists": 80, "new_lists": 60},
        "bounds": [{"text": f"{name} >= {at}", "outcome": name, "least": at, "holds": 0.93} for name, at in bounds],
    }
    measured = {"dials": [2.0 ** (at - 15) for at in range(30)], "means": means.tolist(), "base": [0.4] * count, "lists": lists}
    return choice, measured


def drawn(choice, measured, name="safe"):
    return choice_figure(name, choice, measured, Nouns("query", "document"))


def panels(figure, label="pair"):
    return [axes for axes in figure.axes if axes.get_label() == label]


def said(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def places(axes):
    """What a panel has: the tradeoffs that miss and that keep the bounds, the base model, and the choice."""
    return dict(zip(SEEN, (np.asarray(drawn.get_offsets()) for drawn in axes.collections), strict=True))


def bounds_of(axes):
    """The bounds of the x axis, and of the y axis."""
    lines = [line for line in axes.lines if line.get_linestyle() == "--" and line.get_color() == INK]
    across = [line.get_xdata()[0] for line in lines if list(line.get_ydata()) == [0, 1]]
    return across, [line.get_ydata()[0] for line in lines if list(line.get_xdata()) == [0, 1]]


@pytest.mark.parametrize(("count", "pairs"), [(2, 1), (3, 3), (5, 10), (7, 10)])
def test_every_pair_of_up_to_five_outcomes_has_a_panel(count, pairs):
    figure = drawn(*chosen(count))
    assert len(panels(figure)) == comb(min(count, 5), 2) == pairs
    assert len(panels(figure, "parallel")) == (count > 5)
    assert figure.get_figwidth() * figure.dpi < 3000
    assert png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("like", [1, {"depth": 0.5}])
def test_a_choice_like_a_point_of_the_front_or_like_values_is_drawn(like):
    choice, measured = chosen(7, bounds=(), maximise=None)
    choice["wish"]["like"] = like
    figure = drawn(choice, measured)
    assert len(panels(figure)) == 10
    assert ("depth" in "".join(axes.get_xlabel() + axes.get_ylabel() for axes in panels(figure))) == isinstance(like, dict)


def test_a_tradeoff_that_misses_any_bound_is_grey():
    choice, measured = chosen(3, bounds=(("quality", 0.5), ("main", 0.3)))
    values = np.array(measured["means"])
    keeps = (values[:, 1] >= 0.5) & (values[:, 2] >= 0.3)
    assert 0 < keeps.sum() < len(keeps)
    for axes, pair in zip(panels(drawn(choice, measured)), ([0, 1], [0, 2], [1, 2]), strict=True):
        found = places(axes)
        assert np.allclose(found["keeps"], values[keeps][:, pair])
        assert np.allclose(found["misses"], values[~keeps][:, pair])
        assert (found["base"].tolist(), found["choice"].tolist()) == ([[0.4, 0.4]], [[0.6, 0.6]])
        assert [text.get_text() for text in axes.texts] == ["safe"]
    from matplotlib.colors import to_hex

    missed, kept, *_ = axes.collections
    assert [to_hex(each.get_facecolor()[0]) for each in (missed, kept)] == [ELSEWHERE, ACCENT]


def test_a_bound_is_a_line_in_every_panel_of_its_outcome():
    figure = drawn(*chosen(3, bounds=(("quality", 0.5), ("main", 0.3))))
    assert [bounds_of(axes) for axes in panels(figure)] == [([], [0.5]), ([], [0.3]), ([0.5], [0.3])]


def test_ranges_within_the_bounds_are_along_the_axes_and_in_words():
    figure = drawn(*chosen(2))
    (axes,) = panels(figure)
    bands = [line for line in axes.lines if line.get_label() == "reachable"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in bands] == [([0.1, 0.9], [0, 0]), ([0, 0], [0.1, 0.9])]
    assert "Reachable within the bounds: clicks 0.1 to 0.9, quality 0.1 to 0.9." in said(figure)


def test_where_nothing_keeps_the_bounds_that_is_said():
    figure = drawn(*chosen(2, reachable=(None, None)))
    assert not [line for line in panels(figure)[0].lines if line.get_label() == "reachable"]
    assert "Reachable within the bounds: nothing that was measured." in said(figure)


def test_the_header_has_the_wish_and_what_was_promised():
    texts = said(drawn(*chosen(2)))
    assert "Choice safe: keep quality >= 0.5; maximise clicks" in texts
    expected = "Promised on 60 queries of new data: yes, 0.930 (asked: 0.9). Dial 2; weights clicks 0.250, quality 0.750."
    assert expected in texts
    assert any(text.startswith("Each dot is one of 30 measured tradeoffs: means over 80 queries of") for text in texts)


def test_without_bounds_nothing_is_grey_or_promised():
    figure = drawn(*chosen(6, bounds=()))
    assert len(places(panels(figure)[0])["misses"]) == 0
    assert not [text for text in said(figure) if "bound" in text or "Promised" in text]


def test_outcomes_of_the_wish_are_among_the_pairs():
    labels = [axes.get_xlabel() for axes in panels(drawn(*chosen(7, bounds=(("depth", 0.5),), maximise="length")))]
    assert [label for label in labels if label] == ["clicks", "quality", "main", "length"]


def test_means_over_a_part_of_the_lists_are_moved_to_the_base_model_of_all():
    choice, measured = chosen(2, lists=50)
    measured["base"] = [0.3, 0.5]
    figure = drawn(choice, measured)
    found = places(panels(figure)[0])
    moved = np.array(measured["means"]) + np.array([0.1, -0.1])
    assert np.allclose(np.sort(np.concatenate([found["misses"], found["keeps"]])[:, 0]), np.sort(moved[:, 0]))
    assert any("means over 50 of 80 queries" in text for text in said(figure))


def test_one_outcome_is_drawn_over_the_dial():
    choice, measured = chosen(1, bounds=(("clicks", 0.5),))
    figure = drawn(choice, measured)
    (axes,) = panels(figure)
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("dial", "clicks", "log")
    star = next(each for each in axes.collections if each.get_label() == "choice")
    assert star.get_offsets().tolist() == [[2.0, 0.6]]
    assert png(figure).startswith(b"\x89PNG")
