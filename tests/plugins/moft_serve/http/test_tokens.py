"""Tokens come from a file or the environment, and what is none is refused."""

from __future__ import annotations

import pytest

from moft import ConfigError
from moft_serve.http.tokens import VARIABLE, read_tokens


@pytest.fixture(autouse=True)
def _without_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def test_tokens_are_read(tmp_path, monkeypatch):
    file = tmp_path / "tokens"
    file.write_text("first-token\n\n second-token \n", encoding="utf-8")
    tokens = read_tokens(file)
    assert tokens.accept("Bearer first-token")
    assert tokens.accept("bearer second-token")
    assert not tokens.accept("Bearer third-token")
    assert not tokens.accept(None)
    assert not read_tokens(None)
    monkeypatch.setenv(VARIABLE, "of-the-variable")
    assert read_tokens(None).accept("Bearer of-the-variable")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n", "has no token; write one on each line"),
        (b"first-token\nshort", "line 2 is no token"),
        (b"with space", "line 1 is no token"),
        (b"\xff\xff\xff", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_files_without_tokens_are_refused(tmp_path, content, message):
    file = tmp_path / "tokens"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_tokens(file)
