"""JSON of a run that is not what moft writes there is told with its place and with what to do."""

from __future__ import annotations

import pytest

from moft.errors import RunError
from moft.files.expected_keys import fault_of, read_expected, read_journal

FORM = {"name": str, "count": int, "shares": [float], "mean": (float, None), "more?": {"*": float}, "inner": {"a": bool}}
GOOD = {"name": "x", "count": 2, "shares": [0.5, 1], "mean": None, "inner": {"a": True}, "unknown": object()}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"mean": 2}, ""),
        ({"more": {"b": 1.5}}, ""),
        ({"name": 3}, "'name' is 3, not text"),
        ({"count": True}, "'count' is True, not a whole number"),
        ({"count": 2.5}, "'count' is 2.5, not a whole number"),
        ({"shares": 0.5}, "'shares' is 0.5, not a list"),
        ({"shares": [1, "x"]}, "'shares.1' is 'x', not a finite number"),
        ({"shares": [float("nan")]}, "'shares.0' is nan, not a finite number"),
        ({"mean": 10**400}, "'mean' is 1000000000000000000000000000000000000..., not a finite number"),
        ({"more": {"b": None}}, "'more.b' is None, not a finite number"),
        ({"inner": {}}, "it lacks 'inner.a'"),
        ({"inner": None}, "it lacks 'inner.a'"),
        ({"more": 3}, "'more' is 3, not an object"),
    ],
)
def test_the_first_fault_is_told(change, told):
    assert fault_of(GOOD | change, FORM) == told


def test_what_is_no_object_holds_no_fields():
    assert fault_of([], FORM) == "it holds no fields"
    assert fault_of({"a": 1}, [str]) == "it is {'a': 1}, not a list"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is missing; the run is not complete."),
        (b"{", "is cut short or not JSON"),
        (b"\xff", "is cut short or not JSON"),
        (b"{}", "is damaged; it lacks 'a'."),
    ],
)
def test_a_file_is_told_with_what_to_do(content, told, tmp_path):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(RunError) as error:
        read_expected(tmp_path / "a.json", {"a": int}, "Do this.")
    assert str(error.value).startswith(f"{tmp_path / 'a.json'}: {told}")
    assert str(error.value).endswith(" Do this.")


def test_a_file_that_cannot_be_read_is_not_called_missing(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(RunError, match=r"a\.json: cannot be read \(Is a directory\)\. Do this\."):
        read_expected(tmp_path / "a.json", {}, "Do this.")


def test_a_journal_is_read_up_to_a_torn_line(tmp_path):
    path = tmp_path / "a.jsonl"
    assert read_journal(path, {"step": int}) == []
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_journal(path, {"step": int}) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("line", ["3", "{", '{"step": "x"}', "\udcff", "[" * 10_000])
def test_a_damaged_line_of_a_journal_is_told_by_its_number(line, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n'.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"a\.jsonl:2: is damaged; .*\. Restore the file, or remove this line\.") as error:
        read_journal(path, {"step": int})
    assert "\n" not in str(error.value)
