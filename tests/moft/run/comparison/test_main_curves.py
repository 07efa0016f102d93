"""Runs with several dials are compared as curves: what each reaches at the same mean main value."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from moft.engine.fronts.hypervolume import hypervolume
from moft.run.comparison.comparison_record import comparison_record
from moft.run.comparison.seeds_and_folds import entries_of
from moft.run.report.read_front import read_measured

DIALS = {"dials": (0.5, 1.0, 2.0)}


@pytest.fixture
def compared(made):
    def of(*runs, **how):
        return comparison_record(entries_of([read_measured(made(name, **what)) for name, what in runs], **how), samples=200)

    return of


def test_a_curve_has_the_hypervolume_and_the_best_values_of_each_dial(compared):
    record = compared(("a", DIALS), ("b", DIALS | {"lift": 0.1}))
    first = record["curves"]["entries"][0]
    assert (first["name"], [point["dial"] for point in first["points"]]) == ("a", [0.5, 1.0, 2.0])
    assert [point["main"] for point in first["points"]] == sorted(point["main"] for point in first["points"])
    points = record["entries"][0]["points"][0][5:10]
    values = torch.tensor([point["values"] for point in points], dtype=torch.float64)
    assert first["points"][1]["hypervolume"] == pytest.approx(hypervolume(values, torch.zeros(2)))
    assert first["points"][1]["best"] == pytest.approx(values.amax(0).tolist())
    assert first["points"][1]["main"] == pytest.approx(sum(point["main"] for point in points) / 5)
    for point in first["points"]:
        for value, (low, high) in zip(
            (point["main"], point["hypervolume"], *point["best"]),
            (point["main_ci"], point["hypervolume_ci"], *point["best_ci"]),
            strict=True,
        ):
            assert low <= value <= high


def test_a_better_run_is_above_at_every_main_value_that_both_reach(compared):
    record = compared(("a", DIALS), ("b", DIALS | {"lift": 0.1}), ("c", DIALS))
    verdicts = record["curves"]["verdicts"]
    kinds = [(each["measure"], each["objective"]) for each in verdicts[::3]]
    assert kinds == [("hypervolume", None), ("best", "clicks"), ("best", "dwell")]
    by_pair = {(each["first"], each["second"]): each for each in verdicts if each["measure"] == "hypervolume"}
    better, same = by_pair["a", "b"], by_pair["a", "c"]
    assert (better["above"], better["below"], len(better["main"])) == (0, 9, 9)
    assert better["verdict"].startswith("b above a at 9 of 9 values of mean main from 0.")
    assert all(high < 0 and p < 0.05 for (_, high), p in zip(better["ci"], better["p"], strict=True))
    assert (same["above"], same["below"]) == (0, 0)
    assert same["verdict"].startswith("a and c not significantly different at 9 values of mean main")


def test_runs_that_reach_no_main_value_in_common_are_told(compared):
    record = compared(("a", {"dials": (0.1, 0.2)}), ("b", {"dials": (10.0, 20.0)}))
    verdict = record["curves"]["verdicts"][0]
    assert (verdict["main"], verdict["verdict"]) == ([], "a and b reach no mean main in common")
    assert "Dials differ: a has 0.1 0.2; b has 10 20." in record["notes"]


def test_seeds_are_averaged_and_folds_pooled(compared):
    runs = [
        (f"{m}{s}{f}", DIALS | {"method": m, "seed": s, "fold": f, "lift": 0.1 * (m == "x")})
        for m, s, f in product(("x", "y"), (0, 1), (0, 1, 2))
    ]
    record = compared(*runs, over_seeds=True, pool="task.fold")
    assert record["curves"]["verdicts"][0]["above"] == 9
    assert len(record["curves"]["entries"][0]["points"]) == 3


def test_without_several_dials_or_main_values_there_are_no_curves(compared):
    assert "curves" not in compared(("a", {}), ("b", {}))
    assert "curves" not in compared(("c", DIALS | {"has_main": False}), ("d", DIALS | {"has_main": False}))


def test_the_betas_of_several_dials_are_those_at_a_dial_of_one(compared):
    record = compared(("a", DIALS | {"beta": 0.3}), ("b", {"dials": (1.0, 3.0, 7.0), "beta": 0.3}))
    assert [entry["betas"] for entry in record["entries"]] == [[0.3, 0.3]] * 2
    assert not any(note.startswith("Betas differ") for note in record["notes"])
