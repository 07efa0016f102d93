"""Vectorised trees give the scores of LightGBM to the bit, whatever is missing, close to a threshold or alone."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest

from moft.files.lightgbm.model_text import parse_lightgbm
from moft.files.lightgbm.vectorised_trees import VectorisedTrees, are_vectorised

lightgbm = pytest.importorskip("lightgbm")


def grown(rounds=30, categorical="auto", **settings):
    draws = np.random.default_rng(0)
    rows = draws.standard_normal((1500, 6)).astype(np.float32)
    rows[draws.random(1500) < 0.2, 1] = np.nan
    rows[:, 2] = draws.integers(0, 4, 1500)
    target = rows[:, 0] * rows[:, 3] + np.isnan(rows[:, 1]) * rows[:, 2] + np.exp(rows[:, 4]) + np.nan_to_num(rows[:, 1])
    given = {"num_leaves": 40, "min_data_in_leaf": 3, "verbosity": -1, "num_threads": 1, **settings}
    data = lightgbm.Dataset(rows, target, categorical_feature=categorical)
    return parse_lightgbm(lightgbm.train(given, data, rounds).model_to_string()), rows


def hard(model, rows):
    """Rows with values at, just above and just below thresholds, near 0, very large, and missing in any column."""
    draws = np.random.default_rng(1)
    told = [float(n) for line in model.text.split("\n") if line.startswith("threshold=") for n in line[10:].split()]
    near = np.array(told, dtype=np.float64).clip(-3e38, 3e38).astype(np.float32)
    near = np.concatenate([near, np.nextafter(near, np.float32(9e9)), np.nextafter(near, np.float32(-9e9))])
    extra = [0.0, -0.0, 1e-35, -1e-35, 1e-36, -1e-36, 1e-40, 2e-35, -2e-35, 3.4e38, -3.4e38, np.nan, np.nan]
    values = np.concatenate([near, np.array(extra * 20, dtype=np.float32)])
    return np.concatenate([rows, draws.choice(values, (2000, rows.shape[1]))])


@pytest.mark.parametrize(
    "settings",
    [{}, {"use_missing": False}, {"num_leaves": 2}, {"num_leaves": 200, "max_depth": -1}, {"boosting": "dart"}, {"rounds": 1}],
    ids=str,
)
def test_scores_are_those_of_lightgbm_to_the_bit(settings):
    model, rows = grown(**settings)
    assert are_vectorised(model.text)
    trees, booster, every = VectorisedTrees(model.text), lightgbm.Booster(model_str=model.text), hard(model, rows)
    expected = booster.predict(every, raw_score=True, num_threads=1)
    assert np.array_equal(trees(every), expected)
    assert np.array_equal(trees(rows), expected[: len(rows)])
    for size in (1, 2, 3):
        parts = [trees(every[begin : begin + size]) for begin in range(1491, 1509, size)]
        assert np.array_equal(np.concatenate(parts), expected[1491:1509])
    assert trees(every[:0]).shape == (0,)


def test_thresholds_at_zero_and_beyond_32_bits_are_those_of_lightgbm():
    model, rows = grown(num_leaves=8, rounds=4)
    kept, text = cycle(["-1e-36", "1e-40", "inf", "1e300", "-1e300", "0", "-1e-35", "1e-35"]), []
    for line in model.text.split("\n"):
        key, _, values = line.partition("=")
        new = {"threshold": kept, "decision_type": cycle(["8", "10"])}.get(key)
        text.append(line if new is None else f"{key}={' '.join(next(new) for _ in values.split())}")
    sizes = "\n".join(line for line in text if not line.startswith("tree_sizes="))
    changed = parse_lightgbm(sizes)
    every = hard(changed, rows)
    expected = lightgbm.Booster(model_str=changed.text).predict(every, raw_score=True, num_threads=1)
    assert np.array_equal(VectorisedTrees(changed.text)(every), expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"categorical": [2]},
        {"zero_as_missing": True},
        {"linear_tree": True},
        {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1},
    ],
    ids=str,
)
def test_other_trees_are_left_to_lightgbm(settings):
    model, _ = grown(rounds=3, **settings)
    assert not are_vectorised(model.text)
