"""JSON bodies are read as Python reads them, and what is no JSON object is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from moft_serve.http.errors import ApiError
from moft_serve.http.json_body import json_fields


def test_values_are_those_of_python():
    draws = np.random.default_rng(0)
    numbers = [*draws.standard_normal(2000), *(10 ** draws.uniform(-300, 300, 2000)), 0.1, 1e999, 5e-324, 1.7976931348623157e308]
    content = {"a": numbers[:-3], "b": [[1, 2**70, -5]], "c": ': "x": \\', "d\\": [1, {"a": None}], "é": {"": "\U0001f600"}}
    body = json.dumps(content).encode()
    assert json_fields(body) == json.loads(body)
    assert json_fields(json.dumps(content, ensure_ascii=False, indent=1).encode()) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a": 1, "a": 2}', "key 'a' is given twice"),
        (b'{"a": [1, {"b": 1, "b" : 2}]}', "key 'b' is given twice"),
        (b'{"a": [[1, 2], [{"b": 1, "\\u0062": 2}]]}', "key 'b' is given twice"),
        (b'{"a": ": 1", "a": 2}', "key 'a' is given twice"),
        (b'{"a": NaN}', "NaN is not a JSON number; write null"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": "\\ud800"}', "half of a character"),
        (b'{"a": "\xff"}', "not UTF-8 text"),
        (b'{"a": 1', "is not JSON (Expecting ',' delimiter, line 1, column 8)"),
        (b'{"a": ' + b"7" * 5000 + b"}", "a number of more than 4,300 digits"),
        (b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}", "nested deeper than 100 levels"),
        (b"[]", "must be a JSON object"),
        (b"1", "must be a JSON object"),
    ],
)
def test_what_is_no_object_is_refused(body, message):
    with pytest.raises(ApiError) as caught:
        json_fields(body)
    assert message in caught.value.detail
