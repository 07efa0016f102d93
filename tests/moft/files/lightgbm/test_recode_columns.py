"""A model with other codes scores each code as the value that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

from moft.files.lightgbm.model_text import parse_lightgbm
from moft.files.lightgbm.recode_columns import recode_columns

VALUES = {2: [3.0, 0.0, np.nan, 5.0], 0: [0.5, -1.0, 0.0, 2.0], 1: [*np.linspace(-1, 1, 40)]}


@pytest.mark.parametrize("settings", [{}, {"zero_as_missing": True}, {"use_missing": False}, {"num_leaves": 2}], ids=str)
def test_codes_are_scored_as_what_they_stand_for(settings, grown, scores):
    text, rows = grown(**settings)
    recoded = recode_columns(text, VALUES)
    assert parse_lightgbm(recoded).text == recoded
    given, meant = rows.copy(), rows.copy()
    for column, values in VALUES.items():
        codes = np.random.default_rng(column).integers(-1, len(values) + 1, len(rows))
        is_known = (codes >= 0) & (codes < len(values))
        given[:, column] = np.where(codes < 0, np.nan, codes)
        meant[:, column] = np.where(is_known, np.array([*values, np.nan])[np.where(is_known, codes, -1)], np.nan)
    assert np.array_equal(scores(recoded, given), scores(text, meant))
    assert recode_columns(text, {}) == text


def test_a_linear_leaf_cannot_read_codes(grown):
    text, _ = grown(linear_tree=True)
    with pytest.raises(ValueError, match="a linear leaf reads a column of categories"):
        recode_columns(text, {0: [1.0]})
