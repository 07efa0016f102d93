"""What a network reads of missing values and categories."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from moft.api import Injection
from moft_ltr.data.features.feature_scaling import fit_scaling
from moft_ltr.data.features.network_inputs import NetworkInputs
from moft_ltr.network.list_transformer import Ranker

BLOCK = np.array([[1.0, np.nan, 0.0], [3.0, 5.0, 2.0], [5.0, 7.0, np.nan]], dtype=np.float32)
"""Numbers, numbers with a missing one, and codes of three categories with a missing one."""


@pytest.fixture
def inputs():
    scaling = fit_scaling([BLOCK])
    return NetworkInputs(scaling, np.array([1]), {2: 3})


def test_a_missing_number_is_the_mean_and_has_an_indicator(inputs):
    features = inputs.features(BLOCK)
    assert inputs.width == features.shape[1] == 3
    np.testing.assert_allclose(features[:, 0], [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(features[:, 1], [0, -1, 1], atol=1e-6)  # of a column with the mean 6 of what is known
    assert features[:, 2].tolist() == [1, 0, 0]


def test_a_column_without_missing_values_in_training_has_no_indicator(inputs):
    features = inputs.features(np.array([[np.nan, 5.0, 1.0]], dtype=np.float32))
    assert features.tolist() == [[0.0, -1.0, 0.0]]


def test_unknown_categories_share_the_code_zero(inputs):
    rows = np.array([[0, 0, code] for code in (0, 2, 3, 400, np.nan)], dtype=np.float32)
    assert inputs.codes(rows).tolist() == [[1], [3], [0], [0], [0]]
    assert inputs.sizes == (4,)


def test_a_column_that_is_always_missing_is_finite():
    block = np.full((4, 2), np.nan, dtype=np.float32)
    block[:, 0] = [1, 2, 3, 4]
    scaling = fit_scaling([block])
    assert np.isfinite([scaling.mean, scaling.deviation]).all()
    assert scaling.missing.tolist() == [1]
    assert (scaling(block)[:, 1] == 0).all()


def test_missing_values_change_nothing_of_the_scaling_of_others():
    known = fit_scaling([BLOCK[:, :1], BLOCK[:2, :1]])
    more = np.vstack([BLOCK[:, :1], [[np.nan]], BLOCK[:2, :1]]).astype(np.float32)
    found = fit_scaling([more])
    assert known.mean == found.mean
    np.testing.assert_allclose(known.deviation, found.deviation, rtol=1e-6)


def test_each_category_has_an_embedding_that_moves_the_score():
    torch.manual_seed(0)
    network = Ranker(2, tradeoff_size=0, width=8, layers=1, heads=1, is_correction=False, categories=(4,))
    given = {
        "features": torch.ones(1, 3, 2),
        "items": torch.ones(1, 3, dtype=torch.bool),
        "categories": torch.tensor([[[0], [1], [1]]]),
    }
    torch.testing.assert_close(network(given, Injection())[0], network(given, Injection())[0, :1].expand(3))  # untrained: no say
    with torch.no_grad():
        network.embeddings[0].weight[1] = torch.arange(8.0)
    scores = network(given, Injection())[0]
    assert scores[1] == scores[2] != scores[0]
