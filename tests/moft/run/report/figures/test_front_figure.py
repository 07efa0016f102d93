"""Pictures have the panels they should, show the points that were measured, and survive what is missing."""

from __future__ import annotations

import math
from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch

from moft.engine.fronts.hypervolume import nondominated
from moft.run.report.figures.figure_style import STYLE, png, shortened
from moft.run.report.figures.front_figure import front_figure, short_metric
from moft.run.report.figures.training_figure import training_figure
from moft.types import Nouns

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def panels(figure, label):
    return [axes for axes in figure.axes if axes.get_label() == label]


def dots(axes):
    """The size of the marker at every place."""
    from matplotlib.collections import PathCollection

    drawn = [collection for collection in axes.collections if isinstance(collection, PathCollection)]
    return {tuple(np.round(at, 9)): collection.get_sizes()[0] for collection in drawn for at in collection.get_offsets()}


def said(figure):
    """Every text of the figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("m", [1, 2, 3, 9])
def test_the_points_of_one_dial_are_shown_in_the_frame_of_all(recorded, m):
    record = recorded(m, dials=[0.5, 2.0])
    whole, first, second = (front_figure(record, dial) for dial in (None, 0, 1))
    label = "parallel" if m > 7 else "pair"
    frames = [[(axes.get_xlim(), axes.get_ylim()) for axes in panels(each, label)] for each in (whole, first, second)]
    assert frames[0] == frames[1] == frames[2]
    assert len({png(each) for each in (whole, first, second)}) == 3
    if m < 7:
        assert set(dots(panels(whole, "pair")[0])) == set(dots(panels(first, "pair")[0]))
    assert any(text.startswith("Dials 0.5, 2; a line joins") for text in said(whole))
    assert any(text.startswith("Dial 2; grey") for text in said(second))


def test_the_points_of_each_dial_are_joined_and_its_line_is_named(recorded):
    record = recorded(2, dials=[0.5, 2.0])
    axes, *_ = panels(front_figure(record), "pair")
    half = len(record["points"]) // 2
    for line, points in zip(axes.lines, (record["points"][:half], record["points"][half:]), strict=True):
        assert [tuple(np.round(row, 9)) for row in line.get_xydata()] == [place(point, 0, 1) for point in points]
    assert [text.get_text() for text in axes.texts] == ["0.5", "2"]


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_every_pair_of_objectives_has_a_panel_and_each_of_them_with_the_main_one(recorded, m):
    figure = front_figure(recorded(m))
    assert len(panels(figure, "pair")) == comb(m + 1, 2)
    assert len(panels(figure, "legend")) == 1
    assert any(text.startswith("main objective") for text in said(figure))


@pytest.mark.parametrize("m", [1, 2, 5])
def test_without_a_main_objective_there_is_no_axis_of_it(recorded, m):
    figure = front_figure(recorded(m, has_main=False))
    assert len(panels(figure, "pair")) == max(1, comb(m, 2))
    assert not any("main" in text for text in said(figure))


@pytest.mark.parametrize(("m", "has_main", "count"), [(4, True, 0), (5, False, 0), (5, True, 1), (7, False, 1)])
def test_more_than_five_axes_are_also_parallel_ones(recorded, m, has_main, count):
    figure = front_figure(recorded(m, has_main=has_main))
    assert len(panels(figure, "parallel")) == count
    assert len(panels(figure, "pair")) == comb(m + has_main, 2)


def test_what_stands_in_the_main_objectives_place_is_called_by_its_own_name(recorded):
    record = recorded(2)
    usual = said(front_figure(record))
    record["main"]["name"] = "minus KL (nats)"
    named = said(front_figure(record))
    assert "main objective (NDCG@10)" in usual
    assert "minus KL (nats)" in named
    assert not any("main objective" in text for text in named)


@pytest.mark.parametrize("m", [2, 5])
def test_a_panel_shows_the_grid_the_points_between_its_vertices_and_the_base_model(recorded, m):
    record = recorded(m)
    for axes, (i, j) in zip(panels(front_figure(record), "pair"), by_rows(m + 1), strict=True):
        between = [point for point in record["edges"] if j < m and point["weights"][i] + point["weights"][j] == 1]
        expected = {place(point, i, j) for point in [*record["points"], *between, record["base"]]}
        assert set(dots(axes)) == expected


def test_points_of_two_objectives_are_joined_beside_the_main_one_too(recorded):
    record = recorded(2)
    *_, axes = panels(front_figure(record), "pair")
    assert [tuple(np.round(row, 9)) for row in axes.lines[0].get_xydata()] == [place(point, 1, 2) for point in record["points"]]


@pytest.mark.parametrize(("split", "key"), [("test", "value"), ("validation", "validation"), ("train", None)])
def test_choices_are_marked_where_they_were_measured_on_the_split(recorded, split, key):
    record = recorded(2, split=split)
    names = [*record["objectives"], "main"]
    values = {"validation": [0.7, 0.8, -0.5], "value": [0.6, 0.9, -0.4]}
    choice = {"outcomes": [{"name": name, "validation": at} for name, at in zip(names, values["validation"], strict=True)]}
    choice["test"] = {"outcomes": [{"name": name, "value": at} for name, at in zip(names, values["value"], strict=True)]}
    figure = front_figure(record, None, {"safe": choice, "untested": {**choice, "test": None}})
    for axes, (i, j) in zip(panels(figure, "pair"), by_rows(3), strict=True):
        marks = {mark.get_label(): mark.get_offsets()[0] for mark in axes.collections if mark.get_label() in ("safe", "untested")}
        assert list(marks) == {"test": ["safe"], "validation": ["safe", "untested"], "train": []}[split]
        assert all(tuple(mark) == (values[key][i], values[key][j]) for mark in marks.values())
    assert ("choice safe" in said(figure)) == (key is not None)


def test_choices_are_lines_on_parallel_axes(recorded):
    record = recorded(8)
    values = [{"name": name, "value": 0.1} for name in [*record["objectives"], "main"]]
    choices = {f"choice-{at}": {"outcomes": [], "test": {"outcomes": values}} for at in range(14)}
    before, after = (panels(front_figure(record, None, own), "parallel")[0] for own in ({}, choices))
    lines = [sum(len(collection.get_segments()) for collection in axes.collections) for axes in (before, after)]
    assert lines[1] == lines[0] + 14
    assert [text.get_text() for text in after.get_legend().get_texts()][-2:] == ["choice choice-11", "other choices"]


def test_points_between_the_vertices_are_joined_in_the_order_of_their_weights(recorded):
    record = recorded(2)
    record["points"].reverse()
    axes, *_ = panels(front_figure(record), "pair")
    joined = [tuple(np.round(row, 9)) for row in axes.lines[0].get_xydata()]
    assert joined == [place(point, 0, 1) for point in sorted(record["points"], key=lambda point: point["weights"][1])]


def test_the_front_of_a_pair_is_ringed_and_dominated_points_are_not(recorded):
    record = recorded(2)
    record["points"][0]["values"] = [record["base"]["values"][0] - 1, record["base"]["values"][1] - 1]
    values = torch.tensor([point["values"] for point in record["points"]], dtype=torch.float64)
    on_front = {place(point, 0, 1) for point, keep in zip(record["points"], nondominated(values), strict=True) if keep}
    axes, *_ = panels(front_figure(record), "pair")
    sizes = dots(axes)
    points = {place(point, 0, 1) for point in record["points"]}
    assert 0 < len(on_front) < len(points)
    assert min(sizes[at] for at in on_front) > max(sizes[at] for at in points - on_front)


@pytest.mark.parametrize("m", [2, 4])
def test_axes_are_named_by_objective_and_metric(recorded, m):
    record = recorded(m, nouns=Nouns("query", "document"))
    texts = said(front_figure(record))
    assert all(f"{name} (NDCG@10)" in texts for name in record["objectives"])
    volume = record["hypervolume"]
    assert f"NDCG@10 on test, {record['lists']} queries" in texts
    assert any(text.startswith(f"Hypervolume: {volume['value']:.4g} [") for text in texts)


@pytest.mark.parametrize("m", [1, 2, 5])
def test_values_that_are_missing_are_left_out(recorded, m):
    record = recorded(m)
    first, base = record["points"][0], record["base"]
    first["values"][0], first["ci"][0] = None, [None, None]
    base["values"][0], base["ci"][0], base["main"], base["main_ci"] = None, [None, None], None, [None, None]
    record["hypervolume"] |= {"value": None, "ci": [None, None]}
    assert png(front_figure(record)).startswith(SIGNATURE)


def test_nan_is_the_same_as_null(recorded):
    record, other = recorded(2), recorded(2)
    record["points"][0]["main"], record["points"][0]["main_ci"] = None, [None, None]
    other["points"][0]["main"], other["points"][0]["main_ci"] = math.nan, [math.nan, math.nan]
    assert png(front_figure(record)) == png(front_figure(other))


def test_an_interval_that_leaves_its_mean_out_is_drawn(recorded):
    record = recorded(2)
    value = record["points"][0]["values"][0]
    record["points"][0]["ci"][0] = [value + 1, value + 2]
    assert png(front_figure(record)).startswith(SIGNATURE)


def test_names_are_drawn_as_they_are_written(recorded):
    figure = front_figure(recorded(2, names=("$a_1$", "an $\\open{ dollar")))
    assert png(figure).startswith(SIGNATURE)
    assert "$a_1$ (NDCG@10)" in said(figure)


def test_drawing_leaves_the_settings_of_matplotlib_alone(recorded):
    import matplotlib

    before = {key: matplotlib.rcParams[key] for key in STYLE}
    png(front_figure(recorded(2)))
    assert before == {key: matplotlib.rcParams[key] for key in STYLE}


def test_every_job_has_its_loss_and_what_was_measured():
    steps = [{"step": step, "job": job, "loss": 1 / step} for job in ("base", "policy") for step in range(1, 9)]
    steps[7] |= {"validation_ndcg": 0.4}
    steps[-1] |= {"hypervolume": 0.1, "main": 0.4, "clicks": 0.3, "quality": 0.6}
    figure = training_figure(steps)
    titles = [axes.get_title(loc="left") for axes in panels(figure, "curve")]
    assert titles == [
        "base: loss",
        "base: validation_ndcg (validation)",
        "policy: loss",
        "policy: hypervolume (validation)",
        "policy: objectives (validation)",
    ]
    assert {"main, mean over the grid", "clicks", "quality"} <= set(said(figure))
    assert png(figure).startswith(SIGNATURE)


def test_main_values_of_training_are_called_as_in_the_front():
    step = {"step": 1, "job": "policy", "loss": 1.0, "hypervolume": 0.1, "main": -3.0, "clicks": 0.3}
    assert "minus KL (nats), mean over the grid" in said(training_figure([step], "minus KL (nats)"))


def test_a_smoothed_loss_keeps_a_constant():
    figure = training_figure([{"step": step, "job": "policy", "loss": 2.5} for step in range(1, 101)])
    raw, smooth = panels(figure, "curve")[0].lines
    assert np.allclose(smooth.get_ydata(), raw.get_ydata())


def test_the_short_name_of_a_metric_is_its_first_word():
    assert short_metric("NDCG@10 (gain: linear)") == "NDCG@10"
    assert short_metric("accuracy, of pairs") == "accuracy"


def test_a_long_name_loses_its_middle():
    assert shortened("clicks", 6) == "clicks"
    long = shortened("query_clicks_of_the_last_year", 11)
    assert len(long) == 11
    assert long.startswith("query")
    assert long.endswith("_year")


def by_rows(m):
    """Pairs in the order of their panels."""
    return sorted(combinations(range(m), 2), key=lambda pair: (pair[1], pair[0]))


def place(point, i, j):
    values = [*point["values"], point["main"]]
    return tuple(np.round([values[i], values[j]], 9))


@pytest.mark.parametrize("m", [8, 20])
def test_many_objectives_are_on_parallel_axes(recorded, m):
    record = recorded(m)
    figure = front_figure(record)
    (axes,) = panels(figure, "parallel")
    assert not panels(figure, "pair")
    lines = sum(len(collection.get_segments()) for collection in axes.collections)
    assert lines == len(record["points"]) + 1  # and the base model
    assert [label.get_text() for label in axes.get_xticklabels()] == [*record["objectives"], "main objective"]
    assert any(text.startswith(f"With {m} objectives, pairs are not drawn") for text in said(figure))
    assert png(figure).startswith(SIGNATURE)


def test_a_letter_that_no_font_has_gives_no_warning(recorded, recwarn):
    figure = front_figure(recorded(2, names=("点击率\U000e0041", "クリック")))
    assert "点击率\U000e0041" in " ".join(said(figure))
    assert png(figure).startswith(SIGNATURE)
    assert not list(recwarn)
