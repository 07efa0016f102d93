"""Lines of JSON: what cannot be read is told with its place."""

from __future__ import annotations

import json
import math

import pytest

from moft import DataError, RunError
from moft.files.json import float_of, json_of, parse_json, read_json


def test_a_line_says_what_it_holds():
    assert json_of('{"a": [1, 2.5]}', "f:1", "an object") == {"a": [1, 2.5]}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0.5, 0.5", "f:3: '0.5, 0.5' is not JSON (Extra data); a line is an object."),
        ("[" * 100_000, "f:3: is not JSON that can be read (nested deeper than 100 levels)."),
        ("[" * 101 + "]" * 101, "f:3: is not JSON that can be read (nested deeper than 100 levels)."),
        ("1" * 5000, "f:3: is not JSON that can be read (a number of more than 4,300 digits)."),
        ('{"a": 1, "b": {"a": 2, "a": 3}}', "f:3: is not JSON that can be read (key 'a' is given twice)."),
        (r'"\ud83d"', r"f:3: is not JSON that can be read (\ud83d is half of a character (a surrogate), which no text holds)."),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(line, told):
    with pytest.raises(DataError) as error:
        json_of(line, "f:3", "an object")
    assert str(error.value) == told


@pytest.mark.parametrize("text", ["[" * 100 + "]" * 100, "9" * 4300, r'"\ud83d\ude00"', b'{"a": {"a": 1}}', r'"\u0000"'])
def test_what_is_unusual_but_right_is_read(text):
    assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize("text", [b"\xff", b"[" * 5000, b'{"a": 1, "a": 2}', b'{"a": 1'])
def test_a_damaged_file_of_a_run_is_told(text, tmp_path):
    (tmp_path / "versions.json").write_bytes(text)
    with pytest.raises(RunError, match=r"versions\.json: is cut short or not JSON"):
        read_json(tmp_path / "versions.json")


def test_a_number_that_no_float_holds_is_infinite():
    assert [float_of(2), float_of(10**400), float_of(-(10**400))] == [2.0, math.inf, -math.inf]
