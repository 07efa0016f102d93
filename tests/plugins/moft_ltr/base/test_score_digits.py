"""Scores in a column that 32 bits cannot tell apart are refused, or noted where the text is gone."""

from __future__ import annotations

import numpy as np
import pytest

from moft import DataError
from moft_ltr.base.score_digits import digit_notes


@pytest.fixture
def scored(data_of, whole):
    """Queries of four documents with these scores in column 1."""

    def made(scores):
        return whole(data_of(*((0, item // 4, f"{score:.17g}") for item, score in enumerate(scores))))

    return made


@pytest.fixture
def scores():
    return np.random.default_rng(0).standard_normal(80)


@pytest.mark.parametrize("offset", [1e7, -1e4, 1.7e9])
def test_scores_far_from_zero_are_refused_with_their_line(offset, scored, scores):
    with pytest.raises(DataError, match=r"data.txt:1: the base score .* in column 1 is .* with 32 bits .*Subtract one number"):
        list(digit_notes(scored(scores + offset), 1))


def test_one_document_far_away_does_not_hide_the_others(scored, scores):
    with pytest.raises(DataError, match=r"data.txt:1: "):
        list(digit_notes(scored([*(scores + 1e7), 0, 1, 2, -1e9]), 1))


@pytest.mark.parametrize("factor", [1e-30, 1.0, 1e37])
def test_scores_near_zero_and_integers_pass(factor, scored, scores):
    assert list(digit_notes(scored(scores * factor), 1)) == []
    assert list(digit_notes(scored(np.concatenate([scores[:40] + 10, np.full(40, 0.1)]) * factor), 1)) == []
    assert list(digit_notes(scored(np.arange(80) + 2.0**23), 1)) == []


def test_a_converted_folder_whose_scores_may_have_lost_digits_is_noted(scored, scores, tmp_path):
    part = scored(scores + 1e7)
    (tmp_path / "data.txt").unlink()
    (note,) = digit_notes(part, 1)
    assert "the base scores in column 1 are far from zero, up to 1e+07, so that 32 bits may have lost digits" in note
    part = scored(scores)
    (tmp_path / "data.txt").unlink()
    assert list(digit_notes(part, 1)) == []
