"""Nearest words in messages."""

from __future__ import annotations

from moft.suggestions import listed, nearest, one_line, printable


def test_the_nearest_word_is_offered():
    assert nearest("lisnet", ["listnet", "ipo"]) == " Did you mean 'listnet'?"


def test_case_and_underscores_do_not_count():
    assert nearest("Plackett_Luce", ["plackett-luce"]) == " Did you mean 'plackett-luce'?"


def test_nothing_is_offered_when_nothing_is_near():
    assert nearest("zebra", ["listnet", "ipo"]) == ""


def test_an_empty_list_is_said_to_be_empty():
    assert listed([]) == "(none)"
    assert listed(["a", "b"]) == "a, b"


def test_an_error_is_put_on_one_line():
    assert one_line(ValueError("two\n  lines")) == "ValueError: two lines"
    assert one_line(KeyError()) == "KeyError"
    assert one_line(ValueError("\x1b[2J")) == "ValueError: \\x1b[2J"


def test_control_characters_are_escaped_and_letters_are_not():
    assert printable("\x1b]0;t\x07\r\n\u202e\x9b") == r"\x1b]0;t\x07\r\n\u202e\x9b"
    assert printable("naïve 你好 👩\u200d🔬\n", kept="\n") == "naïve 你好 👩\u200d🔬\n"
