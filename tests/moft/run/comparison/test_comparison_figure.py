"""The picture of a comparison: what its panels hold, for any number of objectives and entries."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from moft.engine.fronts.hypervolume import nondominated
from moft.run.comparison.comparison_figure import colour_and_marker, comparison_figure
from moft.run.comparison.comparison_record import comparison_record
from moft.run.comparison.seeds_and_folds import entries_of
from moft.run.report.figures.figure_style import png
from moft.run.report.read_front import read_measured
from moft.types import Nouns


@pytest.fixture
def record_of(made):
    def of(*runs, **how):
        read = [read_measured(made(name, **what)) for name, what in runs]
        return comparison_record(entries_of(read, **how), samples=30)

    return of


def axes_of(figure, label):
    return [axes for axes in figure.axes if axes.get_label() == label]


def texts_of(figure):
    return " ".join(text.get_text() for text in figure.texts)


def lines_of(axes, colour):
    """The points of every joined line of this colour."""
    return [line.get_xydata() for line in axes.lines if line.get_color() == colour and line.get_linestyle() == "-"]


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_there_is_a_panel_for_each_pair_and_the_numbers_above(m, record_of):
    names = tuple("abcde"[:m])
    figure = comparison_figure(record_of(*((f"run{k}", {"names": names, "points": max(m, 3)}) for k in range(3))))
    assert len(axes_of(figure, "pair")) == max(1, math.comb(m, 2))
    assert len(axes_of(figure, "hypervolume")) == len(axes_of(figure, "main")) == 1
    (numbers,) = axes_of(figure, "hypervolume")
    assert [label.get_text() for label in numbers.get_yticklabels()] == ["run0", "run1", "run2"]
    assert ("projected" in texts_of(figure)) == (m > 2)


def test_lists_are_called_as_the_task_calls_them(record_of):
    nouns = Nouns("query", "document")
    text = texts_of(comparison_figure(record_of(("a", {"nouns": nouns}), ("b", {"nouns": nouns}))))
    assert "on test, 40 queries, 5 points each" in text
    assert "95% intervals over queries." in text
    assert "list" not in text


def test_a_line_joins_the_points_that_are_not_dominated(record_of):
    record = record_of(("a", {"spread": 0.5, "points": 9}), ("b", {"spread": 0.5, "points": 9}))
    (panel,) = axes_of(comparison_figure(record), "pair")
    for at, entry in enumerate(record["entries"]):
        values = torch.tensor([point["values"] for point in entry["points"][0]], dtype=torch.float64)
        expected = values[nondominated(values)]
        (line,) = lines_of(panel, colour_and_marker(at)[0])
        np.testing.assert_allclose(line, expected[expected[:, 0].argsort()])


def test_over_seeds_a_line_shows_what_half_of_them_attain(record_of):
    record = record_of(*((f"s{s}", {"seed": s, "lift": 0.1 * s}) for s in (0, 1, 2)), over_seeds=True)
    (panel,) = axes_of(comparison_figure(record), "pair")
    (line,) = lines_of(panel, colour_and_marker(0)[0])
    corners = np.array(record["entries"][0]["attainment"][0]["half"])
    (left, _), (bottom, _) = panel.get_xlim(), panel.get_ylim()
    for x, y in line[:-1]:
        reached = corners[corners[:, 0] >= x, 1]
        assert y == pytest.approx(reached.max() if len(reached) else bottom)
    assert line[0, 0] == pytest.approx(left)
    assert line[-1, 1] == pytest.approx(bottom)
    assert "Bands: from what all 3 seeds attain" in texts_of(panel.figure)


def crosses(axes):
    return [len(c.get_offsets()) for c in axes.collections if len(c.get_paths()) == 1 and c.get_linewidth()[0] == 2.2]


def test_one_base_model_has_one_cross_and_two_have_one_each(record_of):
    (panel,) = axes_of(comparison_figure(record_of(("a", {}), ("b", {}))), "pair")
    assert len(crosses(panel)) == 1
    (panel,) = axes_of(comparison_figure(record_of(("c", {}), ("d", {"base": 0.1}))), "pair")
    assert len(crosses(panel)) == 2


def test_without_a_main_objective_its_panel_is_left_out(record_of):
    figure = comparison_figure(record_of(("a", {"has_main": False}), ("b", {"has_main": False})))
    assert axes_of(figure, "main") == []


def test_what_stands_in_the_main_objectives_place_is_called_by_its_own_name(record_of):
    record = record_of(("a", {}), ("b", {}))
    record["main"]["name"] = "minus KL (nats)"
    (panel,) = axes_of(comparison_figure(record), "main")
    assert panel.get_title(loc="left") == "Minus KL (nats), mean"


def test_no_two_of_many_entries_look_alike():
    assert len({colour_and_marker(index) for index in range(64)}) == 64
    first = [colour_and_marker(index) for index in range(8)]
    assert len({colour for colour, _ in first}) == len({marker for _, marker in first}) == 8


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"over_seeds": True}])
def test_what_is_written_stays_inside_the_picture(how, record_of):
    names = ("query-url-clicks-that-are-many", "$dwell_time$", "c", "quality-score-2", "e")
    runs = [
        (f"a-rather-long-name-of-a-run-{method}-{seed}", {"names": names, "method": method, "seed": seed, "points": 7})
        for method in ("cos-dpo", "dpo-ls")
        for seed in (0, 1)
    ]
    figure = comparison_figure(record_of(*runs, **how))
    png(figure)  # lays it out
    width, height = figure.canvas.get_width_height()
    shown = [axes.xaxis.label for axes in figure.axes] + [axes.yaxis.label for axes in figure.axes] + figure.texts
    shown += [axes.title for axes in figure.axes] + [label for axes in figure.axes for label in axes.get_yticklabels()]
    for text in shown:
        if text.get_visible() and text.get_text():
            box = text.get_window_extent()
            assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= -1, text.get_text()


def test_what_was_not_measured_is_left_out_of_the_picture(record_of):
    record = record_of(("a", {"silent": 40}), ("b", {"silent": 40}))
    assert record["verdicts"] == []
    assert png(comparison_figure(record)).startswith(b"\x89PNG")


def test_the_same_comparison_gives_the_same_bytes(record_of):
    record = record_of(("a", {}), ("b", {}))
    first, second = (png(comparison_figure(record)) for _ in range(2))
    assert first == second
    assert Image.open(io.BytesIO(first)).width == 1140


@pytest.mark.parametrize("how", [{}, {"over_seeds": True}])
def test_many_objectives_are_on_parallel_axes(how, record_of):
    what = {"names": tuple("abcdefgh"), "points": 9}
    runs = [(f"{method}{seed}", {**what, "method": method, "seed": seed}) for method in ("cos-dpo", "dpo-ls") for seed in (0, 1)]
    record = record_of(*(runs if how else runs[::2]), **how)
    figure = comparison_figure(record)
    (axes,) = axes_of(figure, "parallel")
    assert not axes_of(figure, "pair")
    assert [len(collection.get_segments()) for collection in axes.collections] == [9, 9, 1]
    assert "With 8 objectives, pairs are not drawn" in texts_of(figure)
