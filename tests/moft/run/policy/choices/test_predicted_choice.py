"""A wish is answered from predicted outcomes alone, from what was measured for a choice or for the front."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

import moft
from moft.engine.choices.wish_settings import OutcomeNames, WishSettings
from moft.errors import ConfigError, RunError
from moft.run.policy.choices.expected_outcomes import MeasuredOutcomes
from moft.run.policy.choices.predicted_choice import predicted_choice


def outcomes(dials=(0.5, 1.0, 4.0, 16.0)):
    """Outcomes that are known functions: each is its weight, and less of it towards the base model, whose values are 0."""
    weights = torch.tensor([[step / 8, 1 - step / 8] for step in range(9)]).repeat(len(dials), 1)
    dialled = torch.tensor(dials).repeat_interleave(9)
    means = weights / (1 + dialled.unsqueeze(1))
    measured = {
        "weights": weights.tolist(),
        "dials": dialled.tolist(),
        "means": means.tolist(),
        "base": [0.0, 0.0],
        "kernel": None,
    }
    return MeasuredOutcomes(OutcomeNames(("first", "second"), None), measured, "validation", None, "outcomes.json")


@pytest.fixture(scope="module")
def known():
    return outcomes()


def answer(known, **wish):
    return predicted_choice(known, WishSettings(**wish), lambda places: places)


def test_the_goal_is_as_large_as_the_bounds_allow(known):
    found = answer(known, keep=("second >= 0.2",), maximise="first")
    assert found.missed == ()
    assert found.split == "validation"
    assert found.dial == pytest.approx(0.5, abs=0.05)
    assert found.weights[0] == pytest.approx(0.7, abs=0.03)  # second is 0.3 / 1.5 there
    relative = answer(known, keep=("second >= 30% of best",), maximise="first")
    assert relative.weights == pytest.approx(found.weights, abs=0.03)
    assert answer(known, maximise="second", dials=(4.0, 4.0)).dial == pytest.approx(4.0)
    near = answer(known, like={"first": 0.3, "second": 0.2})
    assert near.weights[0] == pytest.approx(0.6, abs=0.03)


def test_bounds_that_nothing_keeps_are_missed_by_the_least(known):
    found = answer(known, keep=("first >= 0.9", "second >= 0.1"), maximise="first")
    assert found.missed == ("first >= 0.9", "second >= 0.1")
    assert found.weights[0] > 0.8


def test_served_weights_are_those_that_the_policy_has(known):
    def nearest(places):
        return type(places)((places.weights > 0.5).float(), places.dials)

    assert predicted_choice(known, WishSettings(maximise="first"), nearest).weights == (1.0, 0.0)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"maximise": "third"}, "maximise: 'third' is not measured; measured are first, second"),
        ({"like": 3}, "like 3: give values of outcomes"),
        ({"maximise": "first", "dials": (32.0, 64.0)}, r"dials \[32.0, 64.0\]: was measured at 0.5 to 16 alone"),
        ({}, "a wish needs one goal"),
    ],
)
def test_what_cannot_be_answered_is_refused(known, wish, message):
    with pytest.raises(ConfigError, match=message):
        answer(known, **wish)


def test_a_run_without_a_choice_answers_from_its_front(finished):
    run = moft.open_run(finished, device="cpu")
    measured = run.measured_outcomes()
    front = json.loads((finished / "front.json").read_text())
    assert measured.names == OutcomeNames(("first", "second", "main"), "main")
    assert (measured.split, measured.dials) == ("test", (1.0, 1.0))
    assert measured.measured["base"] == [*front["base"]["values"], front["base"]["main"]]
    found = run.predicted_choice(measured, maximise="first")
    assert found.weights[0] > 0.9
    expected = measured.expected(torch.tensor([[1.0, 0.0]]), 1.0)
    highest = max(point["values"][0] for point in front["points"])
    assert expected["first"].value == pytest.approx(highest, abs=0.05)


def test_a_run_that_is_not_measured_or_damaged_is_told(finished, tmp_path):
    path = shutil.copytree(finished, tmp_path / "run")
    run = moft.open_run(path, device="cpu")
    (path / "choices").mkdir()
    (path / "choices" / "outcomes.json").write_text("{")
    with pytest.raises(RunError, match=r"outcomes\.json"):
        run.measured_outcomes()
    shutil.rmtree(path / "choices")
    (path / "front.json").unlink()
    with pytest.raises(ConfigError, match="was not measured"):
        run.measured_outcomes()
