"""YAML that is written is read as the same."""

from __future__ import annotations

import pytest

from moft.config.yaml12 import Malformed, dump, lines_of, load


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


def test_every_key_and_entry_has_its_line():
    text = "a: 1\nb:\n  c: [x,\n      y]\n  d: {e: 2}\n"
    assert lines_of(text) == {"a": 1, "b": 2, "b.c": 3, "b.c.0": 3, "b.c.1": 4, "b.d": 5, "b.d.e": 5}
