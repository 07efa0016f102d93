"""Runs that were measured otherwise are refused, with the place where they differ."""

from __future__ import annotations

import pytest

from moft import MoftError
from moft.run.comparison.seeds_and_folds import entries_of
from moft.run.report.read_front import read_measured
from moft.types import Nouns

SPLITS = {name: {"lists": 40, "items": 360, "sha256": [letter * 64]} for name, letter in (("train", "0"), ("test", "2"))}
OTHER = {
    "another objective": ({"names": ("clicks", "stars")}, r"the objectives differ .*\"dwell\".* there, .*\"stars\""),
    "another order": ({"names": ("dwell", "clicks")}, "the objectives differ"),
    "another split": ({"front": {"split": "validation"}}, 'the split differs .*"test" there, "validation" here'),
    "another convention": (
        {"front": {"metric": "NDCG@10 (linear gain; lists without gain count 1)"}},
        "the metric differs .*skipped.* there, .*count 1",
    ),
    "another reference point": ({"reference": (0.1, 0.0)}, r"the reference point differs .*\[0.0, 0.0\] there, \[0.1"),
    "another label": (
        {"data": {"objectives": {"clicks": {"label": "column 7", "gain": "linear"}, "dwell": {"label": "column 1"}}}},
        'the data differ .*objectives.clicks.label: "column 0" there, "column 7" here',
    ),
    "another gain of the main objective": (
        {"data": {"main": {"label": "relevance", "gain": "linear"}}},
        'main.gain: "exp2" there, "linear" here',
    ),
    "no main objective": ({"has_main": False}, r"main: \{.*\} there, null here"),
    "other files": (
        {"data": {"splits": SPLITS | {"validation": {"lists": 40, "items": 360, "sha256": ["f" * 64]}}}},
        r'splits.validation.sha256: \["111111111111"\] there, \["ffffffffffff"\] here',
    ),
    "another fold": ({"fold": 1}, r"dealt: null there, \{.*\} here"),
    "more points": ({"points": 9}, r"the grid has 9 points, that of .*/first has 5, .* `moft profile RUN --points 5`"),
    "fewer lists": ({"lists": 30}, "splits.train.lists: 40 there, 30 here"),
}


@pytest.mark.parametrize(("what", "told"), OTHER.values(), ids=OTHER)
def test_another_protocol_is_refused_with_the_place(what, told, made, match):
    first, second = made("first"), made("second", **what)
    with pytest.raises(MoftError) as caught:
        entries_of([read_measured(first), read_measured(second)])
    message = str(caught.value)
    assert message.startswith(f"{second}: ")
    assert str(first) in message
    assert "\n" not in message
    assert match(told, message)


def test_weights_that_differ_are_refused(made, match):
    runs = [read_measured(made(name)) for name in ("first", "second")]
    runs[1].tensors["weights"][2] += 0.01
    with pytest.raises(MoftError) as caught:
        entries_of(runs)
    assert match(r"point 3 has weights \[0.5, 0.5\] there, \[0.51, 0.51\] here.* the same profile.grid", str(caught.value))


def test_lists_that_differ_though_the_data_do_not_are_refused(made):
    runs = [read_measured(made(name)) for name in ("first", "second")]
    runs[1].tensors["lists"][0] = 77
    with pytest.raises(MoftError, match="other lists of its test split"):
        entries_of(runs)


def test_lists_that_differ_are_called_as_the_task_calls_them(made):
    runs = [read_measured(made(name, nouns=Nouns("query", "document"))) for name in ("first", "second")]
    runs[1].tensors["lists"][0] = 77
    with pytest.raises(
        MoftError, match=r"on other queries of its test split .*; runs can only be compared on the same queries\."
    ):
        entries_of(runs)


def test_base_models_and_temperatures_may_differ(made):
    runs = [read_measured(made("first")), read_measured(made("second", data={"base": "lightgbm"}, beta=2.0))]
    assert [entry.name for entry in entries_of(runs)] == ["first", "second"]
