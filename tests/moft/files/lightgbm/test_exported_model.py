"""Exported models give sums and have names that LightGBM takes, as text and as JSON."""

from __future__ import annotations

import numpy as np
import pytest

from moft.files.lightgbm.exported_model import exported_model, feature_names
from moft.files.lightgbm.model_text import parse_lightgbm, scaled_model

lightgbm = pytest.importorskip("lightgbm")


def test_scores_are_the_sum_of_the_models_and_a_constant(grown, scores):
    text, rows = grown()
    half = scaled_model(text, 0.5, range(5), 5)
    found = exported_model([text, half], ["a", "b", "c", "d", "e"], -3.25)
    np.testing.assert_allclose(scores(found, rows), 1.5 * scores(text, rows) - 3.25, rtol=0, atol=1e-12)
    assert parse_lightgbm(found).names == ("a", "b", "c", "d", "e")
    dumped = lightgbm.Booster(model_str=found).dump_model()
    assert dumped["feature_names"] == ["a", "b", "c", "d", "e"]
    assert dumped["tree_info"][-1]["tree_structure"]["leaf_value"] == -3.25


def test_a_model_without_trees_gives_the_constant(scores):
    assert scores(exported_model([], ["a"]), np.zeros((2, 1))).tolist() == [0.0, 0.0]


def test_names_have_plain_signs_and_differ():
    names = ["a b", "a-b", "a_b", "größe", "", "x{1}", "a_b_2", "1"]
    assert feature_names(names) == ["a_b", "a_b_2", "a_b_3", "gr__e", "_", "x_1_", "a_b_2_2", "_1"]
