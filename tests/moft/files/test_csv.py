"""A table in CSV: texts that a spreadsheet would run as a formula are shown instead."""

from __future__ import annotations

import pytest

from moft.files.csv import csv_text


@pytest.mark.parametrize("name", ["=1+1", "+1", "-clicks", "@SUM(A1)", "\tx", "\rx", "＝1"])  # noqa: RUF001
def test_a_text_that_begins_as_a_formula_is_shown_as_text(name):
    assert csv_text([[name, 1]]).replace('"', "") == f"'{name},1\n"


def test_numbers_and_other_texts_stay_as_they_are():
    assert csv_text([["clicks", "weight:=x", -1.5, 0.1, 3, None, "a,b"]]) == 'clicks,weight:=x,-1.5,0.1,3,,"a,b"\n'
