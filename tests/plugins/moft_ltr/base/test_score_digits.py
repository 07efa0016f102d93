"""Scores in a column that 32 bits cannot tell apart are refused, or noted where the text is gone."""

from __future__ import annotations

import numpy as np
import pytest

from moft import DataError
from moft_ltr.base.score_digits import digit_notes, label_digit_notes
from moft_ltr.data.label_transforms import LabelColumn, MainLabel


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


LABELS = {
    "seconds": 1.7e9 + np.arange(80) * 37 % 1000,
    "amounts": 2e7 + np.arange(80) % 3,
    "whole numbers of nine digits": 123456789.0 + np.arange(80) % 7,
    "the same after 32 bits": 1.7e9 + np.arange(80) % 4,
}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_that_lose_digits_are_refused_with_their_line(labels, scored):
    told = r"data.txt:\d+: the label of 'fresh', \d+ in column 1 is .* with 32 bits .*Subtract one number, such as the smallest"
    with pytest.raises(DataError, match=told):
        label_digit_notes({"train": [scored(labels)]}, {"fresh": LabelColumn(1)}, None)


def test_a_relevance_that_loses_digits_is_refused(data_of, whole):
    part = whole(data_of(*((1.7e9 + item, item // 4, "1") for item in range(8))))
    with pytest.raises(DataError, match=r"the label of 'main', 1700000001 in the relevance is 1.7e\+09 after moft has read it"):
        label_digit_notes({"train": [part]}, {}, MainLabel(gain="linear"))


def test_labels_that_keep_what_matters_are_taken_and_their_text_is_not_read_again(scored, monkeypatch):
    steps = np.arange(80)
    parts = [scored(labels) for labels in (steps % 5, steps * 19.99 + 1e5, 1.7e9 + steps * 1e6, np.ones(80))]
    monkeypatch.setattr("moft_ltr.base.score_digits.read_again", None)
    assert label_digit_notes({"train": parts}, {"a": LabelColumn(1)}, MainLabel()) == {}


def test_a_converted_folder_whose_labels_may_have_lost_digits_is_noted_by_objective(scored, tmp_path):
    part = scored(LABELS["the same after 32 bits"])
    (tmp_path / "data.txt").unlink()
    found = label_digit_notes({"train": [part]}, {"fresh": LabelColumn(1)}, None)
    assert list(found) == ["fresh"]
    assert "the labels of 'fresh' in column 1 are far from zero, up to 1.7e+09, so that 32 bits may have lost" in found["fresh"]
