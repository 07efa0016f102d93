"""Feature scaling: mean zero and deviation one, logarithms for heavy tails, from any portions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from moft_ltr.data.features.feature_scaling import LIMIT, feature_blocks, fit_scaling, signed_logarithm


def columns(items=2000):
    """Normal, far from zero, constant, heavy-tailed, and few-valued columns."""
    draws = np.random.default_rng(0)
    normal = draws.standard_normal((items, 3))
    heavy = np.exp(3 * normal[:, 1])
    return np.column_stack([normal[:, 0], 1e4 + normal[:, 2], np.full(items, 7.0), heavy, normal[:, 0] > 0]).astype(np.float32)


def test_columns_are_standardised_and_constant_ones_become_zero():
    features = columns()
    scaled = fit_scaling([features])(features)
    assert_allclose(scaled.mean(0), 0, atol=1e-3)
    assert_allclose(scaled.std(0), [1, 1, 0, 1, 1], atol=5e-3)
    assert_array_equal(scaled[:, 2], 0)


def test_only_a_heavy_tail_is_seen_by_its_logarithm():
    features = columns()
    scaling = fit_scaling([features])
    assert scaling.logarithm.tolist() == [False, False, False, True, False]
    heavy = signed_logarithm(features[:, 3].astype(np.float64))
    assert_allclose(scaling(features)[:, 3], (heavy - heavy.mean()) / heavy.std(), rtol=1e-4, atol=1e-4)


def test_portions_make_no_difference():
    features = columns()
    whole = fit_scaling([features])
    for size in (1, 7, 1999):
        parts = fit_scaling(features[start : start + size] for start in range(0, len(features), size))
        assert_array_equal(parts.logarithm, whole.logarithm)
        assert_allclose(parts.mean, whole.mean, rtol=1e-6)
        assert_allclose(parts.deviation, whole.deviation, rtol=1e-6)


def test_the_deviation_of_values_far_from_zero_keeps_its_digits():
    features = np.array([[1e6], [1e6 + 1]], dtype=np.float32)
    assert_allclose(fit_scaling([features]).deviation, [0.5])


def test_a_value_far_outside_is_cut_and_the_input_stays():
    features = columns()
    odd = features[:1].copy()
    odd[0, 0] = 1e30
    kept = odd.copy()
    assert fit_scaling([features])(odd)[0, 0] == LIMIT
    assert_array_equal(odd, kept)


def test_the_signed_logarithm_is_odd():
    values = np.array([-3.0, 0.0, 3.0])
    assert_allclose(signed_logarithm(values), [-np.log(4), 0, np.log(4)])


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("items", [[0, 1, 2, 3], [5, 2, 9], [3]])
def test_blocks_hold_the_chosen_items_and_columns_in_order(items, size):
    features = np.arange(40, dtype=np.float32).reshape(10, 4)
    chosen, wanted = np.array(items), np.array([2, 0])
    blocks = list(feature_blocks(features, chosen, wanted, size))
    assert all(len(block) <= size for block in blocks)
    assert_array_equal(np.concatenate(blocks), features[chosen][:, wanted])
