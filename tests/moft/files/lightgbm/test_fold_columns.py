"""Folding decides every split on a column of a known value, and leaves the scores as they are to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from moft.files.lightgbm.fold_columns import fold_columns
from moft.files.lightgbm.model_text import parse_lightgbm


@pytest.mark.parametrize("settings", [{}, {"zero_as_missing": True}, {"use_missing": False}, {"num_leaves": 2}], ids=str)
@pytest.mark.parametrize(("number", "category"), [(0.3, 2), (-1.5, 39), (np.nan, np.nan), (0.0, -1), (1e-36, 1000)])
def test_scores_are_those_of_the_whole_model_to_the_bit(settings, number, category, grown, scores):
    text, rows = grown(**settings)
    rows[:, 3], rows[:, 4] = number, category
    folded = fold_columns(text, {3: number, 4: category})
    checked = parse_lightgbm(folded)
    assert checked.text == folded
    assert checked.names == ("Column_0", "Column_1", "Column_2")
    assert np.array_equal(scores(folded, rows[:, :3]), scores(text, rows))
    assert folded.count("split_gain") == 0
    assert folded.count("\nTree=") == 12


def test_columns_in_the_middle_are_folded_and_an_average_stays_one(grown, scores):
    text, rows = grown(boosting="rf", bagging_fraction=0.5, bagging_freq=1)
    rows[:, 1] = np.nan
    assert np.array_equal(scores(fold_columns(text, {1: np.nan}), rows[:, [0, 2, 3, 4]]), scores(text, rows))


def test_linear_leaves_are_kept_unless_they_read_the_column(grown, scores):
    text, rows = grown(linear_tree=True)
    with pytest.raises(ValueError, match="a linear leaf reads a column that is to be folded"):
        fold_columns(text, {3: 0.0})
    rows[:, 4] = 7
    assert np.array_equal(scores(fold_columns(text, {4: 7}), rows[:, :4]), scores(text, rows))
