"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path

from moft.files.user_path import user_path


def test_home_is_found_and_an_unknown_user_is_left_as_written():
    assert user_path("~/lists") == Path.home() / "lists"
    assert user_path("~no-such-user-of-this-machine/lists") == Path("~no-such-user-of-this-machine/lists")
    assert user_path("lists") == Path("lists")
