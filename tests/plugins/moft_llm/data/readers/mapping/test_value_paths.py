"""Paths find values in rows, and say what is there instead."""

from __future__ import annotations

import pytest

from moft import ConfigError, DataError
from moft_llm.data.files.file_formats import Row
from moft_llm.data.readers.mapping.value_paths import ValuePath, filled

ROW = Row(
    "f:1", {"a": {"b c": [1, 2, 3]}, "l": [{"x": 1}, {"x": [2, 3]}], "x.y": 7, "n": None, "t": "text", "m": [["u", "v"], ["w"]]}
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b c", [1, 2, 3]),
        ("a.b c[0]", 1),
        ("a.b c[-1]", 3),
        ("a.b c[:-1]", [1, 2]),
        ("a.b c[1:]", [2, 3]),
        ("l[*].x", [1, [2, 3]]),
        ("m[*][*]", ["u", "v", "w"]),
        ("x.y", 7),
        ("n.deeper[0]", None),
    ],
)
def test_a_path_finds_a_value(path, value):
    assert ValuePath(path).of(ROW) == value


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("b", "'b' finds nothing: the row has no 'b'; it has a, l, x.y, n, t, m."),
        ("l[*].y", "'l[*].y' finds nothing: l[0] has no 'y'; it has x."),
        ("a[0]", "'a[0]' finds nothing: a is no list for [0]; it has b c."),
        ("a.b c[3]", "'a.b c[3]' finds nothing: a.b c has no entry [3]; it has 3 entries."),
        ("t.x", "'t.x' finds nothing: t has no 'x'; it is 'text'."),
    ],
)
def test_a_path_that_finds_nothing_says_what_is_there(path, says):
    with pytest.raises(DataError) as caught:
        ValuePath(path).of(ROW)
    assert str(caught.value) == f"f:1: {says}"
    assert ValuePath(path).of(ROW, is_optional=True) in (None, [None, None])


@pytest.mark.parametrize("path", ["", " ", "a..b", ".a", "a.", "a[b]", "a[", "a[]", "a]"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ConfigError, match=r"is no path into a row: write names with dots"):
        ValuePath(path)


def test_a_text_is_filled_with_values():
    assert filled("{t}: {a.b c[0]} {m}", ROW) == "text: 1 u\nv\nw"
    with pytest.raises(DataError, match=r"f:1: n is None; it must be text, a number, or a list of these\.$"):
        filled("{n}", ROW)
