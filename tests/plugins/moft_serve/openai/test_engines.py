"""Engines that round weights or that are away for a while: what clients are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fastapi.testclient import TestClient

from moft import BusyError, ConfigError, DataError
from moft.api import Tradeoff
from moft.run.policy.choices.predicted_choice import PredictedChoice
from moft_serve.application import application
from moft_serve.models.served_models import Models

pytestmark = pytest.mark.slow  # a run is trained

BODY = {"model": "tiny", "prompt": "Day 3: ", "max_tokens": 4, "temperature": 0, "weights": {"brief": 0.3, "calm": 0.7}}


class Other:
    """The engine of the tests, with something about it that is different."""

    def __init__(self, engine, **changes):
        self._engine = engine
        vars(self).update(changes)

    def __getattr__(self, name):
        return getattr(self._engine, name)


class Rounding(Other):
    dials = (1.0, 1.0)

    def rounded(self, tradeoff):
        if not torch.equal(tradeoff.betas, self.betas):
            raise ConfigError("dial: 2 is not available, only 1.")
        return Tradeoff(torch.tensor([[0.25, 0.75]]), tradeoff.betas), ("Weights are rounded.",)


@pytest.fixture
def client(served):
    def made(kind, **changes):
        (one,) = served.models
        return TestClient(application(Models([replace(one, engine=kind(one.engine, **changes))]), served.open))

    return made


def raising(error):
    def submit(requests):
        raise error

    return submit


def test_the_answer_has_the_weights_that_were_served(served, client):
    own = client(Rounding, betas=next(iter(served.models)).run.trained_betas)
    answer = own.post("/v1/completions", json=BODY).json()
    assert answer["tradeoff"] == {"weights": {"brief": 0.25, "calm": 0.75}, "dial": 1.0, "notes": ["Weights are rounded."]}
    plain = TestClient(served.app).post("/v1/completions", json={**BODY, "weights": [0.25, 0.75]}).json()
    assert answer["choices"] == plain["choices"]
    refused = own.post("/v1/completions", json={**BODY, "dial": 2})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "dial")
    assert refused.json()["error"]["message"] == "dial: 2 is not available, only 1."


def test_a_wish_is_searched_at_the_dials_of_the_engine(served, client, monkeypatch):
    one = next(iter(served.models))
    asked = []

    def predicted(self, outcomes, **wish):
        asked.append(wish)
        return PredictedChoice((0.25, 0.75), 1.0, (), "validation")

    monkeypatch.setattr(type(one.run), "predicted_choice", predicted)
    wish = {"keep": ["calm >= 5"], "maximise": "brief"}
    for own in (client(Rounding, betas=one.run.trained_betas), client(Other)):
        for more in ({}, {"dials": [0.5, 1]}):
            one.wishes.clear()
            answer = own.post("/v1/completions", json={**BODY, "weights": None, "wish": wish | more}).json()
            assert answer["tradeoff"]["dial"] == 1
    assert asked == [wish | {"dials": (1.0, 1.0)}, wish | {"dials": [0.5, 1]}, wish, wish | {"dials": [0.5, 1]}]


def test_a_setting_that_an_engine_lacks_is_named(client):
    def check(request, where):
        raise DataError("temperature: 0.001 is not available.")

    answer = client(Other, check=check).post("/v1/completions", json=BODY)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "temperature")


@pytest.mark.parametrize("is_alive", [True, False])
def test_an_engine_that_is_away_says_when_to_come_again(client, is_alive):
    own = client(Other, is_alive=is_alive, submit=raising(BusyError("it is started again.", 41.5)))
    answer = own.post("/v1/completions", json=BODY)
    assert (answer.status_code, answer.headers["retry-after"]) == (429 if is_alive else 503, "42")
    assert answer.json()["error"]["code"] == ("too_many_requests" if is_alive else "unavailable")
    ready = own.get("/health/ready")
    assert (ready.status_code, own.get("/health/live").status_code) == (200 if is_alive else 503, 200)
    assert f'moft_text_engine_up{{model="tiny"}} {float(is_alive)}' in own.get("/metrics").text


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(BusyError("vLLM ended.", 7.0), 503, "unavailable"), (DataError("vLLM refuses it."), 400, "invalid_value")],
)
def test_a_text_that_was_taken_and_failed_is_told(client, error, status, code):
    class Broken:
        notes = ()

        def __aiter__(self):
            return self

        async def __anext__(self):
            raise error

        def cancel(self):
            pass

    own = client(Other, submit=lambda requests: [Broken() for _ in requests])
    answer = own.post("/v1/completions", json=BODY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers.get("retry-after") == ("7" if status == 503 else None)
    streamed = own.post("/v1/completions", json={**BODY, "stream": True}).text
    assert code in streamed
    assert "[DONE]" not in streamed
