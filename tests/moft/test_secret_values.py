"""No text that moft shows holds a secret that it has read."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from moft.cli.exit_code import exit_code
from moft.errors import ConfigError
from moft.secret_values import redacted, remember_secret
from moft.suggestions import one_line

VALUE = "t0p \"se'cret\\of tests"


def test_a_secret_is_replaced_in_every_spelling_and_at_every_depth():
    remember_secret(VALUE, "${TEST_TOKEN}")
    for spelling in (VALUE, repr(VALUE)[1:-1], json.dumps(VALUE)[1:-1], quote(VALUE, safe="")):
        assert redacted({"a": [f"<{spelling}>", 1, None]}) == {"a": ["<${TEST_TOKEN}>", 1, None]}


def test_a_short_value_is_not_looked_for():
    remember_secret("ab", "${TEST_KEY}")
    assert redacted("a cab") == "a cab"


def test_errors_do_not_show_it(capsys, monkeypatch):
    remember_secret(VALUE, "${TEST_TOKEN}")
    assert str(ConfigError(f"with {VALUE}")) == "with ${TEST_TOKEN}"
    assert one_line(ValueError(f"with {VALUE!r}")) == "ValueError: with '${TEST_TOKEN}'".replace("'", repr(VALUE)[0])
    monkeypatch.setenv("MOFT_TRACE", "1")

    def fails():
        try:
            raise ValueError(VALUE)
        except ValueError as error:
            raise OSError(2, "No such file", f"/data/{VALUE}") from error

    assert exit_code(fails) == 2
    told = capsys.readouterr().err
    assert "se'cret" not in told
    assert told.endswith("moft: error: /data/${TEST_TOKEN}: No such file.\n")


def test_a_bug_does_not_show_it_either(capsys):
    remember_secret(VALUE, "${TEST_TOKEN}")

    def fails(text):
        raise KeyError(text)

    with pytest.raises(KeyError):
        exit_code(lambda: fails("another text"))
    assert exit_code(lambda: fails(VALUE)) == 1
    told = capsys.readouterr().err
    assert "se'cret" not in told
    assert "${TEST_TOKEN}" in told.splitlines()[-1]
