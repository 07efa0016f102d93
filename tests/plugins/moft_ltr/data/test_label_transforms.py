"""Label transforms, list by list."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from moft_ltr.data.label_transforms import describe_transform, transform_labels, transform_steps

LABELS = np.array([0.0, 3.0, 1.0, 5.0, 5.0, 200.0, 255.0, 0.0], dtype=np.float32)
OFFSETS = np.array([0, 3, 5, 8])

CASES = {
    "none": LABELS,
    "log1p": np.log(1 + LABELS),
    "min-max": [0, 1, 1 / 3, 0, 0, 200 / 255, 1, 0],
    "invert": [3, 0, 2, 0, 0, 55, 0, 255],
}


@pytest.mark.parametrize(("transform", "expected"), CASES.items())
def test_a_transform_is_taken_within_each_list(transform, expected):
    assert_allclose(transform_labels(LABELS, OFFSETS, transform), expected, rtol=1e-6)


def test_transforms_are_applied_in_order():
    expected = transform_labels(transform_labels(LABELS, OFFSETS, "invert"), OFFSETS, "log1p")
    assert_allclose(transform_labels(LABELS, OFFSETS, ["invert", "log1p"]), expected, rtol=1e-6)
    assert not np.allclose(transform_labels(LABELS, OFFSETS, ["log1p", "invert"]), expected)


def test_a_list_of_equal_labels_becomes_zero_and_never_nan():
    for transform in ("min-max", "invert"):
        assert transform_labels(np.full(4, 9, dtype=np.float32), np.array([0, 4]), transform).tolist() == [0] * 4


def test_the_labels_given_stay_as_they_are():
    kept = LABELS.copy()
    transform_labels(LABELS, OFFSETS, ["log1p", "min-max"])
    assert_allclose(LABELS, kept)


def test_transforms_are_told_in_words():
    assert describe_transform("none") == describe_transform([]) == describe_transform(["none"]) == "as is"
    assert describe_transform(["log1p", "none", "min-max"]) == "log(1 + label), then scaled to 0..1 within the query"
    assert transform_steps(["none", "invert"]) == ["invert"]
