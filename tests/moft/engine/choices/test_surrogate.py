"""The surrogate: close to a smooth function, with an honest error, and the same after a round trip."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch

from moft.engine.choices.search import DialledWeights, scattered
from moft.engine.choices.surrogate import OutcomeSurrogate, coordinates, surrogate_of

DIALS = (0.125, 64.0)


def outcomes(places):
    """`[n, 3]`: smooth in weights and strength, and at an endless dial the base, which is 0.5, 2 and 0."""
    weights, strength = places.weights.double(), 1 / (1 + places.dials.double())
    first = 0.5 + 0.3 * strength * weights[:, 0] - 0.1 * strength**2
    second = 2 + torch.sin(2 * strength * weights[:, 1])
    third = strength * (1 - (weights**2).sum(1))
    return torch.stack([first, second, third], 1)


BASE = torch.tensor([0.5, 2.0, 0.0], dtype=torch.float64)


@pytest.fixture(scope="module")
def fitted():
    places = scattered(3, 60, DIALS, 0, vertices=(0.5, 1.0, 4.0))
    return OutcomeSurrogate(places.weights, places.dials, outcomes(places), BASE)


def test_a_smooth_function_is_predicted_to_one_percent_of_its_range(fitted):
    fresh = scattered(3, 500, DIALS, 7)
    truth = outcomes(fresh)
    error = (fitted.predict(fresh.weights, fresh.dials) - truth).abs().mean(0) / (truth.amax(0) - truth.amin(0))
    assert error.max() < 0.01


def test_a_large_dial_is_the_base_model(fitted):
    found = fitted.predict(torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5]]), torch.tensor([1e12, 1e12]))
    torch.testing.assert_close(found, BASE.expand(2, -1), atol=0.01, rtol=0)
    torch.testing.assert_close(found[0], found[1])


def test_the_held_out_errors_are_those_of_leaving_each_out_in_turn(fitted):
    weights, dials, means, base = fitted._given
    places = np.vstack([coordinates(weights, dials), np.zeros((1, 4))])
    table = np.vstack([means.numpy(), base.numpy()[None]])
    middle, scale = table.mean(0), table.std(0)
    signal, length, noise = fitted.kernel

    def kernel(left, right):
        far = np.sqrt(5) * np.linalg.norm(left[:, None] - right[None], axis=2) / length
        return signal * (1 + far + far**2 / 3) * np.exp(-far)

    off = []
    for row in range(len(dials)):
        others = np.arange(len(table)) != row
        inner = kernel(places[others], places[others]) + noise * np.eye(others.sum())
        told = kernel(places[[row]], places[others]) @ np.linalg.solve(inner, (table[others] - middle) / scale)
        off.append(np.abs(told[0] * scale + middle - table[row]))
    found = fitted.held_out()
    np.testing.assert_allclose(found.error, np.mean(off, axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.share, np.mean(off, axis=0) / np.ptp(means.numpy(), axis=0), rtol=1e-4)
    assert min(found.tau) > 0.95


def test_a_record_predicts_the_same(fitted):
    fresh = scattered(3, 50, DIALS, 3)
    again = surrogate_of(json.loads(json.dumps(fitted.record())))
    torch.testing.assert_close(
        again.predict(fresh.weights, fresh.dials), fitted.predict(fresh.weights, fresh.dials), rtol=1e-9, atol=1e-9
    )
    assert again.kernel == pytest.approx(fitted.kernel)


def test_single_precision_measurements_survive_the_round_trip():
    places = scattered(2, 12, DIALS, 0)
    fitted = OutcomeSurrogate(
        places.weights, places.dials, outcomes(DialledWeights(places.weights, places.dials)).float(), BASE.float()
    )
    again = surrogate_of(json.loads(json.dumps(fitted.record())))
    torch.testing.assert_close(
        again.predict(places.weights, places.dials), fitted.predict(places.weights, places.dials), rtol=1e-9, atol=1e-9
    )


def test_an_outcome_that_never_changes_is_predicted_as_it_is_without_a_warning():
    places = scattered(2, 20, DIALS, 0)
    means = torch.stack([places.weights[:, 0].double(), torch.full((20,), 0.7, dtype=torch.float64)], 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = OutcomeSurrogate(places.weights, places.dials, means, torch.tensor([0.5, 0.7], dtype=torch.float64))
        found, errors = fitted.predict(places.weights, places.dials), fitted.held_out()
    assert (found[:, 1] - 0.7).abs().max() < 1e-9
    assert (errors.share[1], errors.tau[1]) == (0, 0)
    assert json.dumps([errors.error, errors.share, errors.tau], allow_nan=False)


def test_a_policy_that_never_moves_is_no_trouble():
    places = scattered(2, 20, DIALS, 0)
    base = torch.tensor([0.5, 0.7], dtype=torch.float64)
    fitted = OutcomeSurrogate(places.weights, places.dials, base.expand(20, -1), base)
    torch.testing.assert_close(fitted.predict(places.weights, places.dials), base.expand(20, -1))
    assert json.dumps(fitted.record(), allow_nan=False)


def test_one_measurement_is_enough_to_predict():
    fitted = OutcomeSurrogate(torch.tensor([[0.5, 0.5]]), torch.tensor([1.0]), torch.tensor([[0.6]]), torch.tensor([0.5]))
    assert torch.isfinite(fitted.predict(torch.tensor([[1.0, 0.0]]), torch.tensor([1.0]))).all()
    assert json.dumps(fitted.held_out().tau, allow_nan=False)
