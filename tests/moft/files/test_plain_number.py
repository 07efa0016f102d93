"""What counts as a number where a user types one."""

from __future__ import annotations

import pytest

from moft.files.plain_number import plain_number


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), (".5", 0.5), ("1.", 1.0), ("-2e-3", -0.002), (" 7 ", 7.0), ("+1E2", 100.0)]
)
def test_a_decimal_number_is_read(text, value):
    assert plain_number(text) == value


@pytest.mark.parametrize("text", ["1_0", "\u0661", "\uff11", "inf", "nan", "0x10", "", ".", "1e", "1 0", "1\n", "1" * 2000])
def test_every_other_spelling_is_refused(text):
    with pytest.raises(ValueError, match="is not a decimal number"):
        plain_number(text)
