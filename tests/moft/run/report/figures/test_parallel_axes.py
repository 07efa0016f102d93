"""Parallel axes: each reaches from the smallest to the largest value of its objective."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from moft.run.report.figures.parallel_axes import SHOWN, Lines, left_out, parallel_axes


def drawn(names, *groups):
    axes = Figure().add_subplot()
    parallel_axes(axes, names, groups)
    return axes


def test_lines_cross_each_axis_at_their_values():
    one, two = np.array([[1.0, 10.0], [3.0, 20.0]]), np.array([[2.0, 40.0]])
    axes = drawn(["a", "b"], Lines(one, "one", {"colors": "red"}), Lines(two, "two", {"colors": "blue"}))
    first, second = axes.collections
    assert np.array(first.get_segments()).tolist() == [[[0, 0], [1, 0]], [[0, 1], [1, 1 / 3]]]
    assert np.array(second.get_segments()).tolist() == [[[0, 0.5], [1, 1]]]
    assert [text.get_text() for text in axes.texts] == ["3", "1", "40", "10"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one", "two"]


def test_what_is_missing_or_constant_is_drawn_where_it_can_be():
    axes = drawn(["a", "b", "c"], Lines(np.array([[1.0, np.nan, 5.0], [2.0, np.nan, 5.0]]), "one", {"colors": "red"}))
    assert [text.get_text() for text in axes.texts] == ["2", "1", "5", "5"]


def test_more_objectives_than_are_shown_are_said():
    names = [f"o{i}" for i in range(SHOWN + 6)]
    axes = drawn(names, Lines(np.ones((1, len(names))), "one", {"colors": "red"}))
    assert len(axes.get_xticks()) == SHOWN
    assert left_out(len(names)).endswith(f"The first {SHOWN} objectives have an axis.")
    assert "have an axis" not in left_out(SHOWN)
