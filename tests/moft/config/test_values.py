"""Plain values: one line for each mistake."""

from __future__ import annotations

import pytest

from moft.config.values import validated
from moft.settings import Positive


def test_a_mistake_inside_of_what_is_allowed_is_told_alone():
    _, _, mistakes = validated(Positive | list[Positive], [1, -1], "a")
    assert mistakes == ["a.1: must be greater than 0, got -1."]


def test_what_fits_no_alternative_is_told_with_all_of_them():
    _, _, mistakes = validated(Positive | list[Positive], "much", "a")
    assert mistakes == ["a: must be a number or a list, got 'much'."]


@pytest.mark.parametrize("given", [float("inf"), float("-inf"), float("nan")])
def test_a_number_must_be_finite(given):
    _, _, mistakes = validated(float, given, "a")
    assert len(mistakes) == 1
    assert mistakes[0].startswith("a: must be finite")
