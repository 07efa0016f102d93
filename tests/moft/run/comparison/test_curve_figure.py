"""The picture of curves has a panel for the hypervolume and each objective, and survives what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from moft.run.comparison.comparison_figure import colour_and_marker
from moft.run.comparison.comparison_record import comparison_record
from moft.run.comparison.curve_figure import curve_figure
from moft.run.comparison.seeds_and_folds import entries_of
from moft.run.report.figures.figure_style import png
from moft.run.report.read_front import read_measured


@pytest.fixture
def record_of(made):
    def of(count, names=("clicks", "dwell")):
        what = {"names": names, "points": max(3, len(names)), "dials": (0.5, 1.0, 2.0)}
        runs = [read_measured(made(f"run{k}", **what, lift=0.01 * k)) for k in range(count)]
        return comparison_record(entries_of(runs), samples=20)

    return of


@pytest.mark.parametrize("m", [1, 2, 5])
def test_there_is_a_panel_for_the_hypervolume_and_for_each_objective(m, record_of):
    figure = curve_figure(record_of(2, tuple("abcde"[:m])))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Hypervolume", *(f"{name}, best" for name in "abcde"[:m])]
    assert png(figure).startswith(b"\x89PNG")


def test_a_curve_joins_its_dials_and_each_is_named(record_of):
    record = record_of(2)
    panel = curve_figure(record).axes[0]
    for at, entry in enumerate(record["curves"]["entries"]):
        (line,) = (line for line in panel.lines if line.get_color() == colour_and_marker(at)[0])
        expected = sorted((point["main"], point["hypervolume"]) for point in entry["points"])
        np.testing.assert_allclose(line.get_xydata(), expected)
    assert sorted(text.get_text() for text in panel.texts) == sorted(["0.5", "1", "2"] * 2)
    best = curve_figure(record).axes[2]
    np.testing.assert_allclose(
        best.lines[0].get_xydata(), sorted((p["main"], p["best"][1]) for p in record["curves"]["entries"][0]["points"])
    )


def test_what_stands_in_the_main_objectives_place_is_called_by_its_own_name(record_of):
    record = record_of(12)
    record["main"]["name"] = "minus KL (nats)"
    figure = curve_figure(record)
    assert "at the same minus KL (nats)" in figure.texts[0].get_text()
    assert figure.axes[0].get_xlabel() == "Minus KL (nats), mean"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"run{k}" for k in range(12)]
