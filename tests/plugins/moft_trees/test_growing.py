"""Features are binned block by block, as LightGBM bins them when it has all of them at once."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

pytest.importorskip("lightgbm")

import lightgbm

from moft.api import FeatureTable
from moft_trees.growing import TreeGrower, TreeSettings


def test_blocks_are_read_one_at_a_time_and_binned_as_a_whole():
    draws = np.random.default_rng(0)
    features = draws.standard_normal((600, 3)).astype(np.float32)
    features[draws.random(features.shape) < 0.1] = np.nan
    features[:, 2] = draws.integers(0, 5, 600)
    blocks, references, most = np.split(features, [100, 350]), [], 0

    class Array(np.ndarray):
        """Can be referred to weakly."""

    def load(number):
        nonlocal most
        block = blocks[number].copy().view(Array)
        references.append(weakref.ref(block))
        most = max(most, sum(reference() is not None for reference in references))
        return block

    grower = TreeGrower(load, [len(block) for block in blocks], FeatureTable(("a", "b", "c"), (2,)), TreeSettings(), 1)
    assert most == 1
    labels = np.nan_to_num(features[:, 1]) + (features[:, 2] == 3)
    settings = {**grower._parameters, "objective": "regression", "num_threads": 1}
    whole = lightgbm.Dataset(features, labels, categorical_feature=[2], params=grower._parameters)
    grower._data.set_label(labels)
    texts = [lightgbm.train(settings, data, 5).model_to_string() for data in (whole, grower._data)]
    first, second = (text.partition("\nparameters")[0] for text in texts)
    assert first == second
