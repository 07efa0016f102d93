"""Wishes as text: every form that is meant, and one line on every other."""

from __future__ import annotations

import math
import time

import pytest

from moft.engine.choices.wish import Bound, Like, Maximise, Shares
from moft.engine.choices.wish_settings import (
    OutcomeNames,
    WishSettings,
    check_choice_name,
    is_choice_name,
    parse_bound,
    parse_shares,
    wish_of,
)
from moft.errors import ConfigError

NAMES = OutcomeNames(("clicks", "watch time", "ndcg", "main dish"), "ndcg")

BOUNDS = {
    "clicks >= 0.42": Bound("clicks", 0.42),
    "clicks>=0.42": Bound("clicks", 0.42),
    "  clicks  >=  .42  ": Bound("clicks", 0.42),
    "clicks >= -1e-2": Bound("clicks", -0.01),
    "clicks >= 0": Bound("clicks", 0.0),
    "main >= 99% of base": Bound("ndcg", 0.99, "base"),
    "main>=99%of base": Bound("ndcg", 0.99, "base"),
    "ndcg >= 99 % of  base": Bound("ndcg", 0.99, "base"),
    "clicks >= 90% of best": Bound("clicks", 0.9, "best"),
    "clicks >= 100.5% of base": Bound("clicks", 1.005, "base"),
    "watch time >= 3": Bound("watch time", 3.0),
    "main dish >= 3": Bound("main dish", 3.0),
}


@pytest.mark.parametrize("text", BOUNDS)
def test_a_bound_is_read(text):
    found, meant = parse_bound(text, NAMES), BOUNDS[text]
    assert (found.outcome, found.anchor) == (meant.outcome, meant.anchor)
    assert found.value == pytest.approx(meant.value)


@pytest.mark.parametrize("text", ["clicks >= 0.42", "ndcg >= 99% of base", "clicks >= 90% of best"])
def test_a_bound_is_written_as_it_is_read(text):
    assert str(parse_bound(text, NAMES)) == text


@pytest.mark.parametrize("anchor", ["base", "best"])
def test_an_anchor_alone_is_all_of_it(anchor):
    assert parse_bound(f"clicks >= {anchor}", NAMES) == parse_bound(f"clicks >= 100% of {anchor}", NAMES)


MISTAKES = {
    "clicks <= 0.42": "Values are better when they are larger",
    "clicks < 0.42": "Values are better when they are larger",
    "clicks > 0.42": "is of the form 'clicks >= 0.42'",
    "clicks = 0.42": "is of the form",
    "clicks => 0.42": "is of the form",
    "clicks": "is of the form",
    "": "is of the form",
    ">= 0.4": "is of the form",
    "clicks >=": "is of the form",
    "clicks >= 99%": "is of the form",
    "clicks >= 99% of": "is of the form",
    "clicks >= 99% of test": "is of the form",
    "clicks >= 99 of base": "is of the form",
    "clicks >= 0.4 main >= 0.3": "is not measured",
    "clicks >= many": "'many' is not a number",
    "clicks >= nan": "'nan' is not a number",
    "clicks >= inf": "'inf' is not a number",
    "clicks >= 1e999": "is too large",
    "clicks >= 1e999% of base": "is too large",
    "clicks >= 0% of base": "a percentage must be above 0",
    "clicks >= -5% of best": "a percentage must be above 0",
    "cliks >= 0.4": "'cliks' is not measured; measured are clicks, watch time, ndcg, main dish. Did you mean 'clicks'?",
    "revenue >= 0.4": "'revenue' is not measured",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_bound_is_told_in_one_line(text):
    with pytest.raises(ConfigError) as error:
        parse_bound(text, NAMES)
    assert str(error.value).startswith(f"keep {text!r}: ")
    assert MISTAKES[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_main_is_not_measured_where_there_is_none():
    with pytest.raises(ConfigError, match="'main' is not measured; measured are clicks"):
        parse_bound("main >= 1", OutcomeNames(("clicks",), None))


def test_an_objective_called_main_is_meant_by_its_name():
    assert parse_bound("main >= 1", OutcomeNames(("clicks", "main", "ndcg"), "ndcg")).outcome == "main"


@pytest.mark.parametrize("text", ["clicks" + " " * 20_000, " " * 20_000, "clicks >= " + " " * 20_000 + "x", "a " * 10_000])
def test_a_long_text_is_refused_at_once(text):
    began = time.monotonic()
    with pytest.raises(ConfigError):
        parse_bound(text, NAMES)
    assert time.monotonic() - began < 1


def test_shares_are_read():
    assert parse_shares(" clicks=60 , watch time = 30,ndcg=1e1", "--share") == {"clicks": 60, "watch time": 30, "ndcg": 10}


@pytest.mark.parametrize("text", ["", "clicks", "clicks=", "=3", "clicks=1,clicks=2", "clicks=1,", "clicks=x", "clicks=1e999"])
def test_a_mistake_in_shares_is_told(text):
    with pytest.raises(ConfigError, match=r"^--share '"):
        parse_shares(text, "--share")


def test_goals_are_read():
    assert wish_of(WishSettings(maximise="main"), NAMES).goal == Maximise(2)
    assert wish_of(WishSettings(share={"clicks": 60, "main": 30}), NAMES).goal == Shares({0: 60, 2: 30})
    assert wish_of(WishSettings(like={"main": 0.4}), NAMES).goal == Like({2: 0.4})


def test_a_wish_has_its_bounds_and_its_confidence():
    wish = wish_of(WishSettings(keep=("main >= 1", "clicks >= 2"), maximise="watch time", confidence=0.8), NAMES)
    assert ([bound.outcome for bound in wish.bounds], wish.confidence) == (["ndcg", "clicks"], 0.8)


WRONG = {
    "no goal": ({}, "a wish needs one goal (maximise, share or like) and has none."),
    "two goals": ({"maximise": "clicks", "share": {"clicks": 1, "ndcg": 1}}, "has maximise and share."),
    "three goals": ({"maximise": "clicks", "share": {"ndcg": 1}, "like": {"ndcg": 1}}, "has maximise and share and like."),
    "unknown goal": ({"maximise": "click"}, "maximise: 'click' is not measured"),
    "an outcome twice": ({"keep": ("clicks >= 1", "clicks >= 2"), "maximise": "main"}, "keep: clicks has two bounds"),
    "main twice": ({"keep": ("main >= 1", "ndcg >= 99% of base"), "maximise": "clicks"}, "keep: ndcg has two bounds"),
    "one share": ({"share": {"clicks": 1.0}}, "share: needs at least two outcomes"),
    "a share of zero": ({"share": {"clicks": 0.0, "ndcg": 1}}, "share: 0 must be above 0"),
    "a negative share": ({"share": {"clicks": -1, "ndcg": 1}}, "share: -1 must be above 0"),
    "a share that is no number": ({"share": {"clicks": math.nan, "ndcg": 1}}, "share: nan must be above 0"),
    "an infinite share": ({"share": {"clicks": math.inf, "ndcg": 1}}, "share: inf must be above 0"),
    "a share by two names": ({"share": {"main": 2, "ndcg": 1}}, "share: ndcg is given twice"),
    "an unknown share": ({"share": {"clicks": 1, "x": 1}}, "share: 'x' is not measured"),
    "like by two names": ({"like": {"main": 2, "ndcg": 1}}, "like: ndcg is given twice"),
    "like nothing finite": ({"like": {"clicks": math.inf}}, "like: inf is not a finite number"),
    "like NaN": ({"like": {"clicks": math.nan}}, "like: nan is not a finite number"),
    "confidence 0": ({"confidence": 0.0}, "confidence 0: must be above 0 and below 1"),
    "confidence 1": ({"confidence": 1.0}, "confidence 1: must be above 0 and below 1"),
    "confidence 95": ({"confidence": 95}, "confidence 95: must be above 0 and below 1"),
    "confidence NaN": ({"confidence": math.nan}, "confidence nan: must be"),
    "dials the wrong way": ({"dials": (4.0, 1.0)}, "dials [4.0, 1.0]: must be"),
    "a dial of zero": ({"dials": (0.0, 1.0)}, "dials [0.0, 1.0]: must be"),
    "three dials": ({"dials": (1.0, 2.0, 3.0)}, "must be the lowest and the highest"),
    "a dial that is no number": ({"dials": (math.nan, 1.0)}, "must be the lowest and the highest"),
    "an infinite dial": ({"dials": (1.0, math.inf)}, "must be the lowest and the highest"),
    "no new lists": ({"new_lists": 0}, "new_lists 0: must be"),
    "negative new lists": ({"new_lists": -3}, "new_lists -3: must be"),
    "too many new lists": ({"new_lists": 10**12}, "new_lists 1000000000000: must be"),
    "no measurements": ({"measurements": 0}, "measurements 0: must be"),
    "too few measurements": ({"measurements": 3}, "measurements 3: must be"),
    "too many measurements": ({"measurements": 10**9}, "measurements 1000000000: must be"),
    "one bound as text": ({"keep": "clicks >= 1"}, "keep 'clicks >= 1': must be a list of bounds"),
}


@pytest.mark.parametrize(("settings", "told"), WRONG.values(), ids=WRONG)
def test_a_mistake_in_a_wish_is_told_in_one_line(settings, told):
    goal = {} if {"maximise", "share", "like"} & set(settings) or told.startswith("a wish needs") else {"maximise": "clicks"}
    with pytest.raises(ConfigError) as error:
        wish_of(WishSettings(**{**goal, **settings}), NAMES)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_the_same_wish_has_the_same_record_as_list_and_as_tuple():
    given = WishSettings(keep=["main >= 1"], maximise="clicks", dials=[0.5, 2.0])
    assert given.record() == WishSettings(keep=("main >= 1",), maximise="clicks", dials=(0.5, 2.0)).record()


@pytest.mark.parametrize("name", ["a", "choice-1", "v1.2", "A_b-c.d", "1st", "x" * 100])
def test_names_of_choices(name):
    check_choice_name(name)
    assert is_choice_name(name)


@pytest.mark.parametrize(
    "name", ["", "1", "0.5", "1e3", ".hidden", "-a", "a b", "../a", "a\n", "é", "x" * 101, "0.2,0.8", "outcomes", "Outcomes"]
)  # fmt: skip
def test_names_that_no_choice_has(name):
    with pytest.raises(ConfigError, match=r"^name '.*': [^\n]+\.$"):
        check_choice_name(name)
