"""The dials of measured points: as JSON has them, and as text."""

from __future__ import annotations

import pytest
import torch

from moft.run.report.dials import dial_text, dials_as_json, dials_of, dials_text, rows_of_dials


@pytest.mark.parametrize(
    ("factors", "text"), [([2.0, 2.0], "2"), ([1.0, 3.0], "1, 3"), ([1e6, 1e6], "1e+06"), ([0.5], "0.5"), (0.25, "0.25")]
)
def test_factors_of_temperatures_are_told_as_they_were_given(factors, text):
    assert dial_text(factors) == text


def test_several_dials_are_told_in_words():
    assert dials_text([[1.0, 3.0]]) == "1, 3"
    assert dials_text([0.5, [1.0, 3.0], [2.0, 2.0]]) == "0.5, (1, 3) and 2"


def test_points_are_found_by_their_dial():
    dials = dials_as_json(torch.tensor([[0.5, 0.5], [0.5, 0.5], [1.0, 3.0]], dtype=torch.float64))
    points = [{"dial": dial} for dial in dials]
    assert dials == [0.5, 0.5, [1.0, 3.0]]
    assert dials_of(points) == [0.5, [1.0, 3.0]]
    assert rows_of_dials(points) == [[0, 1], [2]]


def test_points_of_an_earlier_version_have_no_dial():
    assert dials_of([{}, {}]) == []
    assert rows_of_dials([{}, {}]) == [[0, 1]]
