"""The numbers of a comparison: those of the fronts themselves, means over seeds, lists put together, verdicts and notes."""

from __future__ import annotations

import csv
import io
import math
from itertools import product

import pytest
import torch
from torch.testing import assert_close

from moft.engine.fronts.bootstrap import bootstrap_hypervolume, interval, resampled
from moft.engine.fronts.hypervolume import hypervolume
from moft.run.comparison.comparison_record import comparison_record
from moft.run.comparison.comparison_table import MISSING, comparison_table, run_rows, verdict_rows
from moft.run.comparison.seeds_and_folds import entries_of
from moft.run.report.read_front import read_measured
from moft.types import Nouns


class Slope:
    name = "slope"
    meaning = "another thing by the same name"

    def __call__(self, points, weights):
        return 1.0


@pytest.fixture
def compared(made):
    """The record of runs that are made here, and the runs."""

    def of(*runs, samples=200, **how):
        read = [read_measured(made(name, **what)) for name, what in runs]
        return comparison_record(entries_of(read, **how), samples=samples), read

    return of


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def test_a_single_run_is_told_as_its_own_front_tells_it(compared):
    record, runs = compared(("a", {}), ("b", {"lift": 0.1}))
    for entry, run in zip(record["entries"], runs, strict=True):
        front = run.record
        assert entry["hypervolume"]["value"] == pytest.approx(front["hypervolume"]["value"], rel=1e-5)
        assert entry["main"]["value"] == pytest.approx(front["main"]["mean"], rel=1e-5)
        assert entry["main"]["deviation"] == pytest.approx(front["main"]["deviation"], rel=1e-4)
        assert entry["indicators"] == front["indicators"]
        assert entry["cost"] == front["cost"]
        assert_close(
            double([p["values"] for p in entry["points"][0]]), double([p["values"] for p in front["points"]]), rtol=1e-5, atol=0
        )
        assert (entry["seeds"], entry["hypervolume"]["deviation_over_seeds"]) == ([0], None)


def test_the_interval_is_that_of_the_bootstrap_over_lists(compared):
    record, runs = compared(("a", {}), ("b", {}))
    drawn = bootstrap_hypervolume(runs[0].tensors["values"], resampled(40, 200, seed=0), torch.zeros(2))
    assert record["entries"][0]["hypervolume"]["ci"] == interval(drawn).tolist()


def test_over_seeds_numbers_are_means_and_the_deviation_is_told(compared):
    runs = [(f"{m}{s}", {"method": m, "seed": s, "lift": 0.05 * s}) for m, s in product(("x", "y"), (0, 1, 2))]
    record, read = compared(*runs, over_seeds=True)
    entry = record["entries"][1]
    volumes = double([hypervolume(run.tensors["values"].double().mean(1), torch.zeros(2)) for run in read[3:]])
    assert_close(double(entry["hypervolume"]["by_seed"]), volumes)
    assert entry["hypervolume"]["value"] == pytest.approx(volumes.mean().item())
    assert entry["hypervolume"]["deviation_over_seeds"] == pytest.approx(volumes.std().item())
    counts = resampled(40, 200, seed=0)
    drawn = torch.stack([bootstrap_hypervolume(run.tensors["values"], counts, torch.zeros(2)) for run in read[3:]])
    assert_close(double(entry["hypervolume"]["ci"]), interval(drawn.mean(0)))
    assert entry["cost"]["seconds"] == pytest.approx((10 + 11 + 12) / 3)
    assert [surface["objectives"] for surface in entry["attainment"]] == [[0, 1]]


def test_pooled_lists_are_those_of_one_longer_front(compared):
    runs = [(f"{m}{f}", {"method": m, "fold": f, "folds": 3}) for m, f in product(("x", "y"), (0, 1, 2))]
    record, read = compared(*runs, pool="task.fold")
    whole = torch.cat([run.tensors["values"] for run in read[:3]], dim=1)
    entry = record["entries"][0]
    assert record["lists"] == 120
    assert entry["hypervolume"]["value"] == pytest.approx(hypervolume(whole.double().mean(1), torch.zeros(2)))
    drawn = bootstrap_hypervolume(whole, resampled(120, 200, seed=0), torch.zeros(2))
    assert entry["hypervolume"]["ci"] == interval(drawn).tolist()


def test_the_larger_is_above_and_the_equal_are_not_significantly_different(compared):
    record, _ = compared(("a", {}), ("b", {"lift": 0.1}), ("c", {}))
    told = {(v["measure"], v["first"], v["second"]): v["verdict"] for v in record["verdicts"]}
    for measure in ("hypervolume", "main"):
        assert told[measure, "a", "b"] == "b above a"
        assert told[measure, "b", "c"] == "b above c"
        assert told[measure, "a", "c"] == "a and c not significantly different"


def test_the_nouns_of_the_task_are_kept(compared):
    record, _ = compared(("a", {"nouns": Nouns("query", "document")}), ("b", {"nouns": Nouns("query", "document")}))
    assert (record["schema"], record["nouns"]) == (2, {"list": "query", "item": "document"})
    assert record["intervals"] == "95% percentile bootstrap over queries, 200 samples, seed 0"
    assert {verdict["is_significant"] for verdict in record["verdicts"]} == {False}


def test_a_verdict_is_written_as_the_larger_above_the_smaller(compared):
    record, _ = compared(("a", {}), ("b", {"lift": 0.1}))
    header, *rows = verdict_rows(record)
    assert header == ["measure", "verdict", "difference", "interval", "p"]
    assert [row[1] for row in rows] == ["b above a"] * 2
    for row, verdict in zip(rows, record["verdicts"], strict=True):
        assert verdict["difference"] < 0 < float(row[2])
        low, high = (float(end) for end in row[3].strip("[]").split(", "))
        assert 0 < low < float(row[2]) < high


def test_lists_that_say_nothing_are_left_out(compared):
    record, runs = compared(("a", {"silent": 7}), ("b", {"silent": 7, "lift": 0.1}))
    speaking = runs[0].tensors["values"][:, 7:].double().mean(1)
    assert record["entries"][0]["hypervolume"]["value"] == pytest.approx(hypervolume(speaking, torch.zeros(2)))
    assert [verdict["verdict"] for verdict in record["verdicts"]] == ["b above a"] * 2


def test_without_a_main_objective_only_hypervolumes_are_judged(compared):
    record, _ = compared(("a", {"has_main": False}), ("b", {"has_main": False}))
    assert [verdict["measure"] for verdict in record["verdicts"]] == ["hypervolume"]
    header, row, _ = run_rows(record)
    assert row[header.index("main")] == MISSING
    assert ",,,,," in comparison_table(record).splitlines()[1]


def test_what_stands_in_the_main_objectives_place_is_called_by_its_own_name(compared):
    record, runs = compared(("a", {}), ("b", {"lift": 0.1}))
    assert record["main"] == {"name": "main"}
    runs[0].record["main"]["name"] = "minus KL (nats)"
    record = comparison_record(entries_of(runs), samples=100)
    assert run_rows(record)[0][3:5] == ["minus KL (nats)", "over front"]
    assert [row[0] for row in verdict_rows(record)[1:]] == ["hypervolume", "minus KL (nats)"]


def test_five_objectives_have_ten_projections_of_attainment(compared):
    names = ("a", "b", "c", "d", "e")
    record, _ = compared(*((f"s{s}", {"seed": s, "names": names, "points": 7}) for s in (0, 1)), over_seeds=True)
    assert len(record["entries"][0]["attainment"]) == math.comb(5, 2)
    assert record["verdicts"] == []


def test_an_indicator_that_one_lacks_is_left_open(compared):
    record, _ = compared(("a", {}), ("b", {"indicators": ()}))
    header, first, second = run_rows(record)
    at = header.index("slope")
    assert (first[at] != MISSING, second[at]) == (True, MISSING)
    rows = list(csv.DictReader(io.StringIO(comparison_table(record))))
    assert float(rows[0]["slope"]) == record["entries"][0]["indicators"]["slope"]
    assert rows[1]["slope"] == ""


def test_the_table_of_seeds_tells_their_deviation(compared):
    record, _ = compared(("a", {"seed": 0}), ("b", {"seed": 1}), over_seeds=True)
    header, row = run_rows(record)
    for column, measure in (("over seeds", "hypervolume"), ("main over seeds", "main")):
        deviation = record["entries"][0][measure]["deviation_over_seeds"]
        assert row[header.index(column)] == f"±{deviation:.2g}"
    assert "over seeds" not in run_rows(compared(("c", {}), ("d", {}))[0])[0]


NOTES = {
    "base models": ({"base": 0.1}, "Base models differ: a and b did not start from the same scores"),
    "betas": ({"beta": 2.0}, "Betas differ: a has 1; b has 2."),
    "indicators": ({"indicators": (Slope(),)}, "The indicator 'slope' is not the same for all: for a, smallest value"),
    "a front's own": ({"notes": ("Mind this.",)}, "b: Mind this."),
}


@pytest.mark.parametrize(("what", "told"), NOTES.values(), ids=NOTES)
def test_what_a_reader_has_to_know_is_noted(what, told, compared):
    record, _ = compared(("a", {}), ("b", what))
    (note,) = record["notes"]
    assert note.startswith(told)


def test_a_note_that_all_share_stands_once_and_alike_runs_need_none(compared):
    assert compared(("a", {"notes": ("Mind.",)}), ("b", {"notes": ("Mind.",)}))[0]["notes"] == ["Mind."]
    assert compared(("c", {}), ("d", {}))[0]["notes"] == []


def test_verdicts_in_words_are_those_of_the_best_run_of_each_measure(compared):
    record, _ = compared(*((name, {"lift": lift}) for name, lift in (("a", 0.0), ("b", 0.2), ("c", 0.1), ("d", 0.05))))
    assert len(record["verdicts"]) == 12
    rows = verdict_rows(record)[1:]
    assert [row[1] for row in rows if row[0] == "hypervolume"] == ["b above a", "b above c", "b above d"]
    assert len(rows) == 6


def test_the_table_names_what_each_run_is_above_and_below(compared):
    record, _ = compared(*((name, {"lift": lift}) for name, lift in (("a", 0.0), ("b", 0.2), ("c", 0.2))))
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(comparison_table(record)))}
    assert (rows["b"]["hypervolume:above"], rows["b"]["hypervolume:below"]) == ("a", "")
    assert (rows["a"]["hypervolume:above"], rows["a"]["hypervolume:below"]) == ("", "b; c")
