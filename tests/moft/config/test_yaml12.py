"""YAML that is written is read as the same."""

from __future__ import annotations

import pytest

from moft.config.yaml12 import Malformed, dump, load


@pytest.mark.parametrize(
    "value",
    [
        "1e-3",
        "on",
        "no",
        "010",
        "0o17",
        "1:30",
        "2024-01-01",
        "null",
        "~",
        "",
        "true",
        ".5",
        "1.",
        "<<",
        "-",
        "a: b",
        "x\ny",
        "é",
    ],
)
def test_a_text_stays_a_text(value):
    assert load(dump({value: [value]})) == {value: [value]}


@pytest.mark.parametrize("value", [1e-3, 1e20, -1e-300, 0.1, float("inf"), 10, -7, True, False, None, [], {}])
def test_a_value_stays_itself(value):
    found = load(dump({"a": value}))["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_stay_in_their_order():
    assert list(load(dump({"z": 1, "a": 2, "m": 3}))) == ["z", "a", "m"]


def test_a_malformed_text_says_its_line():
    with pytest.raises(Malformed) as caught:
        load("a: 1\nb: [")
    assert caught.value.line == 2
