"""A choice in words."""

from __future__ import annotations

import pytest

from moft.run.report.choice_words import promise_words, wish_words

NONE = {"keep": [], "maximise": None, "share": None, "like": None}


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"keep": ["main >= 99% of base", "clicks >= 0.4"], "maximise": "revenue"}, "; maximise revenue"),
        ({"share": {"clicks": 60.0, "main": 40.0}}, "share clicks=60, main=40"),
        ({"like": {"clicks": 0.123456}}, "like clicks=0.1235"),
    ],
)
def test_a_wish_is_told_as_it_was_given(wish, words):
    found = wish_words({**NONE, **wish})
    assert found.endswith(words)
    assert all(f"keep {bound}" in found for bound in wish.get("keep", []))


def test_a_promise_says_what_was_asked_for():
    choice = {"bounds": [{}], "is_promised": False, "confidence": 0.7123, "wish": {"confidence": 0.9}}
    assert promise_words(choice) == "no, 0.712 (asked: 0.9)"
    assert promise_words({**choice, "is_promised": True}).startswith("yes, ")
    assert promise_words({**choice, "bounds": []}) == "no bounds"
