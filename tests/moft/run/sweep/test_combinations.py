"""What a sweep varies: how values are read, combined and named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moft.config.yaml12 import load
from moft.errors import ConfigError
from moft.run.sweep.combinations import MAX_NAME, combinations, folder_name, overrides_of, parse_over

VALUES = {
    "plain": ("a.b=1, x,null", ["1", "x", "null"]),
    "lists": ("a.b=0.5,[1,2],[[3],4]", ["0.5", "[1,2]", "[[3],4]"]),
    "mappings": ("a.b={name: x, c: [1, 2]},y", ["{name: x, c: [1, 2]}", "y"]),
    "double quotes": ('a.b="1,2","say \\"a,b\\"]"', ['"1,2"', '"say \\"a,b\\"]"']),
    "single quotes": ("a.b='it''s, so',x", ["'it''s, so'", "x"]),
    "an apostrophe": ("a.b=it's,so", ["it's", "so"]),
    "variables": ("a.b=${ONE}/a,${TWO}/b", ["${ONE}/a", "${TWO}/b"]),
    "an equals sign": ("a.b=x=1,y=2", ["x=1", "y=2"]),
}


@pytest.mark.parametrize(("text", "expected"), VALUES.values(), ids=VALUES)
def test_commas_split_unless_something_encloses_them(text, expected):
    assert parse_over([text]) == {"a.b": expected}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.integers(), st.booleans(), st.text("ab,[]{}'\\\" :#", max_size=6)), min_size=1, max_size=4))
def test_quoted_values_are_read_as_they_were(values):
    text = ",".join(json.dumps(value) for value in values)
    assert [load(part) for part in parse_over([f"a={text}"])["a"]] == values


MALFORMED = {
    "no values": (["a.b"], "--over 'a.b' is malformed: it must read 'path.to.setting=a,b,c'."),
    "no path": (["=1"], "--over '=1' is malformed: it must read"),
    "a hole in the path": (["a..b=1"], "--over 'a..b=1' is malformed: it must read"),
    "nothing": (["a= "], "--over 'a= ': has no value."),
    "an empty value": (["a=1,,2"], "--over 'a=1,,2': value 2 is empty; write null for no value."),
    "a comma at the end": (["a=1,"], "--over 'a=1,': value 2 is empty"),
    "an open bracket": (["a=[1,2"], "--over 'a=[1,2' is malformed: its brackets do not match."),
    "a closing bracket": (["a=1],[2"], "--over 'a=1],[2' is malformed: its brackets do not match."),
    "no YAML": (["a='x,2"], """--over "a='x,2": value "'x" is malformed: """),
    "a path twice": (["a=1", "a =2"], "--over 'a =2': a is varied twice; give all its values in one --over."),
}


@pytest.mark.parametrize(("overs", "told"), MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_is_refused(overs, told):
    with pytest.raises(ConfigError) as caught:
        parse_over(overs)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


LETTERS = st.characters(codec="utf-8", exclude_characters="\0")  # what a config can hold


def test_every_combination_is_made_and_the_last_setting_changes_fastest():
    made = combinations({"a": ["1", "2"], "b": ["x", "y"]})
    assert [(one["a"], one["b"]) for one in made] == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert combinations({}) == [{}]


def test_what_lies_inside_another_setting_is_set_after_it():
    assert overrides_of({"m.loss.k": "3", "m": "x"}, ["m.loss=y"]) == ["m=x", "m.loss=y", "m.loss.k=3"]


def test_a_setting_that_is_varied_cannot_be_set():
    with pytest.raises(ConfigError, match=r"^--set 'a = 3': a is varied by --over; leave one of them out.$"):
        overrides_of({"a": "1"}, ["b=2", "a = 3"])


def test_a_name_shows_short_values_and_is_the_same_for_one_value_however_it_is_spelt():
    assert folder_name({"method.name": "dpo-ls", "seed": "3"}) == "method.name=dpo-ls,seed=3"
    assert folder_name({"a": "1e-3"}) == folder_name({"a": "0.0010"}) == "a=0.001"
    assert folder_name({"a": "[1,2]"}) == folder_name({"a": "[1,  2]"}) != folder_name({"a": "[12]"})
    assert folder_name({"a": "'1'"}) != folder_name({"a": "1"})
    assert folder_name({"a": "'x'"}) == folder_name({"a": "x"}) == "a=x"
    assert folder_name({"a": "'x: y: z'"}).startswith("a=x-y-z-")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(LETTERS, min_size=1, max_size=80), min_size=2, max_size=2, unique=True))
def test_names_are_safe_short_and_as_many_as_the_values(texts):
    names = [folder_name({"a.b": json.dumps(text), "c": json.dumps(text), "seed": "0"}) for text in texts]
    assert names[0] != names[1]
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-=,") for name in names)
    assert all(len(name) <= MAX_NAME for name in names)


def test_a_name_of_many_settings_is_cut_and_still_its_own():
    one, other = ({f"some.long.path.{i}": str(i + last * (i == 19)) for i in range(20)} for last in (0, 1))
    assert len(folder_name(one)) == len(folder_name(other)) == MAX_NAME
    assert folder_name(one) != folder_name(other)
