"""Lines of JSON: what cannot be read is told with its place."""

from __future__ import annotations

import math

import pytest

from moft import DataError
from moft.files.json import float_of, json_of


def test_a_line_says_what_it_holds():
    assert json_of('{"a": [1, 2.5]}', "f:1", "an object") == {"a": [1, 2.5]}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0.5, 0.5", "f:3: '0.5, 0.5' is not JSON (Extra data); a line is an object."),
        ("[" * 100_000, "f:3: is not JSON that can be read (nested too deep, or a number of too many digits)."),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "f:3: the key 'c' is given twice."),
        ("1" * 5000, "f:3: is not JSON that can be read (nested too deep, or a number of too many digits)."),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(line, told):
    with pytest.raises(DataError) as error:
        json_of(line, "f:3", "an object")
    assert str(error.value) == told


def test_a_number_that_no_float_holds_is_infinite():
    assert [float_of(2), float_of(10**400), float_of(-(10**400))] == [2.0, math.inf, -math.inf]
