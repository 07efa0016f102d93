"""Files of prompts for `moft generate`, line by line."""

from __future__ import annotations

import json

import pytest

from moft import DataError
from moft_llm.generation.prompts.prompt_requests import read_requests


def written(folder, text, encoding="utf-8"):
    path = folder / "prompts.jsonl"
    path.write_bytes(text.encode(encoding))
    return path


def test_lines_end_in_line_breaks_alone(tmp_path):
    first = json.dumps({"prompt": "a\u2028b\x85c\x0bd", "weights": [1, 0]}, ensure_ascii=False).replace("\\u000b", "e")
    path = written(tmp_path, f'{first}\r\n\r\n{{"prompt": "b", "weights": [0, 1]}}\r\n', "utf-8-sig")
    found = read_requests(path, None, "1")
    assert [request.prompt for request in found] == ["a\u2028b\x85ced", "b"]
    assert [request.place for request in found] == [f"{path}:1", f"{path}:3"]


def test_null_is_what_the_command_line_says(tmp_path):
    path = written(tmp_path, '{"prompt": "a", "weights": null, "dial": null}\n')
    (found,) = read_requests(path, "1,0", "2")
    assert (found.weights, found.dial) == ("1,0", "2")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"prompt": ' + "[" * 100_000, "is not JSON that can be read (nested deeper than 100 levels)."),
        ('{"prompt": 1' + "0" * 5_000 + "}", "is not JSON that can be read (a number of more than 4,300 digits)."),
    ],
)
def test_a_line_that_python_cannot_read_is_named(line, told, tmp_path):
    path = written(tmp_path, f'{{"prompt": "a"}}\n{line}\n')
    with pytest.raises(DataError) as error:
        read_requests(path, "1,0", "1")
    assert str(error.value) == f"{path}:2: {told}"


def test_text_in_another_encoding_is_one_line(tmp_path):
    path = written(tmp_path, '{"prompt": "é"}', "latin-1")
    with pytest.raises(DataError, match=r"prompts\.jsonl: is not UTF-8 text \(invalid continuation byte\)\.$"):
        read_requests(path, "1,0", "1")
