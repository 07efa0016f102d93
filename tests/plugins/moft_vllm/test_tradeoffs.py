"""Weights of requests, from names of models and fields: rounded, or refused in one sentence."""

from __future__ import annotations

import json

import pytest

from moft_vllm.errors import RequestError
from moft_vllm.tradeoffs import Tradeoffs
from tests.plugins.moft_vllm.conftest import record_of

TRADEOFFS = Tradeoffs(record_of(), 0)


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        ({"model": "moft:brief=0.2,calm=0.8"}, (0.2, 0.8)),
        ({"model": "moft:calm=1"}, (0, 1)),
        ({"model": "moft: 0.2 , 0.8"}, (0.2, 0.8)),
        ({"model": "moft:gentle"}, (0.123, 0.877)),
        ({"model": "moft", "weights": {"calm": 0.5, "brief": 0.5}}, (0.5, 0.5)),
        ({"model": "moft", "weights": [0.25, 0.75], "dial": 1}, (0.25, 0.75)),
        ({"weights": [1, 0]}, (1, 0)),
        ({"model": "moft", "choice": "gentle", "normalize": None}, (0.123, 0.877)),
        ({"model": "moft", "weights": [1, 3], "normalize": True}, (0.25, 0.75)),
        ({"model": "moft", "weights": [0.2, 0.80005]}, (0.2, 0.80005)),
    ],
)
def test_weights_are_read(body, weights):
    assert TRADEOFFS.of(body).weights == weights


def test_the_base_model_takes_no_weights():
    assert TRADEOFFS.of({"model": "owner/base"}) is None
    with pytest.raises(RequestError, match=r"^weights: the base model owner/base takes none; use the model moft\.$"):
        TRADEOFFS.of({"model": "owner/base", "weights": [1, 0]})


NEEDED = "this model needs objective weights, once: "


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"model": "moft"}, NEEDED + "add them, as in moft:brief=0.2,calm=0.8."),
        ({"model": "moft:1,0", "weights": [1, 0]}, NEEDED + "weights and model both give them; leave one out."),
        ({"weights": [1, 0], "choice": "gentle"}, NEEDED + "weights and choice both give them; leave one out."),
        ({"model": "moft:0.2,0.7"}, 'model: weights must sum to 1, got 0.9; "normalize": true divides by the sum.'),
        ({"weights": [0.2, 0.2]}, 'weights: weights must sum to 1, got 0.4; "normalize": true divides by the sum.'),
        ({"weights": [0, 0], "normalize": True}, 'weights: weights must sum to 1, got 0; "normalize": true divides by the sum.'),
        ({"weights": [1.2, -0.2]}, "weights: weights must be finite numbers that are not negative."),
        ({"weights": ["1", 0]}, "weights: weights must be finite numbers that are not negative."),
        ({"weights": [True, 0]}, "weights: weights must be finite numbers that are not negative."),
        ({"weights": [10**400, 0]}, "weights: weights must be finite numbers that are not negative."),
        ({"model": "moft:nan,1"}, "model: weights must be finite numbers that are not negative."),
        ({"model": "moft:a,1"}, "model: weights must be finite numbers that are not negative."),
        ({"weights": [1]}, "weights: must be one number for each of brief, calm, got 1 numbers."),
        ({"weights": "1,0"}, "weights: must be one number for each of brief, calm, got something else."),
        (
            {"weights": {"breif": 1}},
            "weights: 'breif' is not an objective; did you mean 'brief'; the objectives are brief, calm.",
        ),
        ({"model": "moft:brief=0.5,brief=0.5"}, "model: 'brief' is given twice; an example is moft:brief=0.2,calm=0.8."),
        ({"model": "moft:brief=0.5,x"}, "model: 'x' is not of the form objective=weight; an example is moft:brief=0.2,calm=0.8."),
        ({"model": "moft:"}, "model: '' is no choice of the policy; its choices are gentle, far."),
        ({"model": "moft:genlte"}, "model: 'genlte' is no choice of the policy; its choices are gentle, far."),
        ({"choice": ["gentle"]}, "choice: ['gentle'] is no choice of the policy; its choices are gentle, far."),
        ({"choice": "far"}, "choice: a dial of 4.0 is not available on vLLM, only 1; `moft serve` has all of them."),
        ({"model": "moft:far"}, "model: a dial of 4.0 is not available on vLLM, only 1; `moft serve` has all of them."),
        ({"weights": [1, 0], "dial": 2}, "dial: a dial of 2 is not available on vLLM, only 1; `moft serve` has all of them."),
        ({"weights": [1, 0], "dial": "1"}, "dial: a dial of '1' is not available on vLLM, only 1; `moft serve` has all of them."),
        ({"wish": {}}, "wish: is not available on vLLM; give weights, or a choice that `moft choose` made."),
        ({"model": 3}, "model: must be a text such as moft:brief=0.2,calm=0.8."),
        ({"weights": [1, 0], "normalize": 1}, "normalize: must be true or false."),
        (
            {"model": "gpt"},
            "model: 'gpt' is not served here; the models are moft, with weights as in moft:brief=0.2,calm=0.8, and owner/base.",
        ),
    ],
)
def test_a_wrong_tradeoff_is_refused_in_one_sentence(body, told):
    with pytest.raises(RequestError) as caught:
        TRADEOFFS.of(body)
    assert str(caught.value) == told
    assert caught.value.status == (404 if "not served here" in told else 400)
    assert json.loads(json.dumps(caught.value.body()))["error"]["message"] == told


def test_rounded_weights_are_the_nearest_that_sum_to_one():
    rounding = Tradeoffs(record_of(objectives=["a", "b", "c"]), 64)
    found = rounding.of({"model": "moft:0.333,0.333,0.334"})
    assert found.weights == (21 / 64, 21 / 64, 22 / 64)
    assert found.label == "a=0.328125,b=0.328125,c=0.34375"
    assert rounding.of({"model": f"moft:{found.label}"}) == found
    for number in range(200):
        weights = [number / 400, number / 400, 1 - number / 200]
        served = rounding.of({"weights": weights}).weights
        assert sum(served) == 1
        assert all(abs(one - other) < 1 / 64 for one, other in zip(weights, served, strict=True))


def test_choices_are_not_rounded():
    assert Tradeoffs(record_of(), 8).of({"choice": "gentle"}).weights == (0.123, 0.877)


def test_models_are_the_policy_its_choices_and_the_base():
    assert TRADEOFFS.models == ["moft", "moft:gentle", "owner/base"]
