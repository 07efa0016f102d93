"""YAML that is written is read as the same."""

from __future__ import annotations

import itertools
import json

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


_LETTERS = "abcdefghi"
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{above}'] * 9)}]\n" for above, name in itertools.pairwise(_LETTERS)
)
_MERGES = "a: &a {k: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{above}'] * 9)}]}}\n" for above, name in itertools.pairwise(_LETTERS)
)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (_BOMB, 5, "has more than 50,000 keys and values, counting what each alias stands for."),
        (_MERGES, 6, "has more than 50,000 keys and values, counting what each alias stands for."),
        ("a: 1\nb: " + "[" * 5000, 2, "is nested deeper than 100 levels."),
        ("- " * 5000 + "x", 1, "is nested deeper than 100 levels."),
        ("a: x\n" * 200_001, 1, "is longer than 1,000,000 characters, the most that moft reads."),
        ("a: 1\nb: " + "1" * 5000, 2, "the number 1111111111... has more than 1,000 digits."),
        ("a: 0x" + "f" * 5000, 1, "the number 0xffffffff... has more than 1,000 digits."),
        ('a: "x\\0"', 1, "'x\\x00' has the character U+0000, which no setting can hold."),
        ('"\\ud800": 1', 1, "'\\ud800' has the character U+D800, which no setting can hold."),
        ("a: !!int 1_0", 1, "'1_0' does not fit its tag 'int'."),
        ("a: !!float \u0661", 1, "'\u0661' does not fit its tag 'float'."),
        ("a: &a [*a]", 1, "an alias refers to something that contains it."),
    ],
)
def test_a_text_that_would_take_too_much_is_refused_with_its_line(text, line, told):
    with pytest.raises(Malformed) as caught:
        load(text)
    assert (caught.value.line, str(caught.value)) == (line, told)


def test_what_stays_within_the_limits_is_read():
    deep = "[" * 99 + "]" * 99  # and the mapping around it
    found = load(f"a: {deep}\nb: &b [{', '.join('x' * 1000)}]\nc: [*b, *b]\nd: {'9' * 1000}")
    assert found["c"] == [found["b"], found["b"]]
    assert found["d"] == int("9" * 1000)


def test_a_character_that_json_writes_as_two_halves_is_one():
    assert load(json.dumps({"\U0001f600": ["a\U0001f600b", "é"]})) == {"\U0001f600": ["a\U0001f600b", "é"]}
