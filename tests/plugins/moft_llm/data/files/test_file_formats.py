"""Rows of JSON lines, JSON and parquet, and where their faults are."""

from __future__ import annotations

import json
import sys

import pytest

from moft import ConfigError, DataError
from moft_llm.data.files.file_formats import Row, file_rows

VALUES = [{"prompt": "é", "labels": {"good": [1, None]}}, {"prompt": "second", "labels": {"good": [0.5, 2]}}]


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_lines_are_rows_with_their_numbers(tmp_path):
    path = write(tmp_path, "a.jsonl", "\ufeff" + "\n\n".join(map(json.dumps, VALUES)) + "\r\n")
    assert list(file_rows(path)) == [Row(f"{path}:1", VALUES[0]), Row(f"{path}:3", VALUES[1])]


def test_a_json_file_is_an_array_or_lines(tmp_path):
    array = write(tmp_path, "array.json", "\ufeff \n" + json.dumps(VALUES, indent=1))
    lines = write(tmp_path, "lines.json", "\n".join(map(json.dumps, VALUES)))
    assert list(file_rows(array)) == [Row(f"{array}, row 1", VALUES[0]), Row(f"{array}, row 2", VALUES[1])]
    assert list(file_rows(lines)) == [Row(f"{lines}:1", VALUES[0]), Row(f"{lines}:2", VALUES[1])]


def test_parquet_rows_are_those_that_were_written(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    values = [{"prompt": [{"role": "user", "content": str(n)}], "responses": ["a", "b"]} for n in range(1500)]
    parquet.write_table(pyarrow.Table.from_pylist(values), path)
    found = list(file_rows(path))
    assert [row.values for row in found] == values
    assert found[-1].where == f"{path}, row 1500"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": }\n', r"a\.jsonl:2: is not JSON \(Expecting value, column 7\)\.$"),
        ("a.jsonl", "[1]\n", r"a\.jsonl:1: has type list; every row must be an object, \{\.\.\.\}\.$"),
        ("a.jsonl", "[" * 100_000, r"a\.jsonl:1: is not JSON that can be read \(nested deeper than 100 levels\)\."),
        (
            "a.jsonl",
            '{"a": ' + "1" * 5000 + "}",
            r"a\.jsonl:1: is not JSON that can be read \(a number of more than 4,300 digits\)\.",
        ),
        (
            "a.json",
            '{\n "lists": 3\n}\n',
            r"a\.json:1: .* is not JSON .*; a line is an object, unless the whole file is an array",
        ),
        ("a.jsonl", '{"a": 1, "a": 2}', r"a\.jsonl:1: is not JSON that can be read \(key 'a' is given twice\)\."),
        ("a.jsonl", r'{"a": "\ud800"}', r"a\.jsonl:1: is not JSON that can be read \(\\ud800 is half of a character"),
        ("a.jsonl", b'{"a": "\xff"}', r"a\.jsonl: is not UTF-8 text \(invalid start byte\)\.$"),
        ("a.json", '[{"a": 1},\n{"a": }]', r"a\.json: is not JSON \(Expecting value, line 2\)\.$"),
        ("a.json", '[{"a": 1}, 2]', r"a\.json, row 2: has type int; every row must be an object"),
        ("a.txt", "{}", r"a\.txt: unknown suffix; data files end in \.jsonl, \.json, \.parquet\.$"),
    ],
)
def test_a_fault_is_one_line_with_its_place(tmp_path, name, content, says):
    with pytest.raises(DataError, match=says) as caught:
        list(file_rows(write(tmp_path, name, content)))
    assert "\n" not in str(caught.value)


def test_what_is_no_parquet_is_one_line(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"a\.parquet: is not a readable Parquet file \(") as caught:
        list(file_rows(write(tmp_path, "a.parquet", b"PAR1 no")))
    assert "\n" not in str(caught.value)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"a\.parquet: Parquet files need the package pyarrow: pip install 'moft\[llm\]'\.$"):
        list(file_rows(write(tmp_path, "a.parquet", b"")))


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path):
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(DataError, match=r"a\.jsonl: cannot be read \(Is a directory\)\.$"):
        list(file_rows(tmp_path / "a.jsonl"))


def test_a_row_says_which_columns_it_has():
    row = Row("a.jsonl:3", {"prompt": 1, "answer": "x"})
    assert row.text("answer") == "x"
    with pytest.raises(DataError, match=r"^a\.jsonl:3: there is no column 'response'\. Columns: prompt, answer\.$"):
        row["response"]
    with pytest.raises(DataError, match=r"^a\.jsonl:3: prompt is 1; it must be text\.$"):
        row.text("prompt")


def test_lines_may_end_in_carriage_returns_alone(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\r\r{"a": 2}\r{')
    rows = file_rows(path)
    assert [next(rows).where, next(rows).where] == [f"{path}:1", f"{path}:3"]
    with pytest.raises(
        DataError, match=r"rows\.jsonl:4: is not JSON \(Expecting property name enclosed in double quotes, column 2\)\.$"
    ):
        next(rows)
