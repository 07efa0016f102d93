"""Requests of different weights are scored together, and every answer is that of the library; one that fails fails alone."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import httpx
import numpy as np
import pytest

from moft import RunError
from moft_serve.http.metrics import Metrics
from moft_serve.ranking.batcher import Batcher


def test_many_mixed_requests_at_once_have_the_scores_of_the_library(app, opened, queries):
    draws = np.random.default_rng(0)
    asked = []
    for _ in range(40):
        first = float(np.round(draws.random(), 3))
        chosen = draws.choice(len(queries), size=draws.integers(1, 4)).tolist()
        asked.append(([first, 1 - first], float(draws.choice([0.5, 1.0, 3.0])), chosen))

    async def run():
        transport = httpx.ASGITransport(app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

            async def one(weights, dial, chosen):
                body = {"weights": weights, "dial": dial, "queries": [{"features": queries[place].tolist()} for place in chosen]}
                return (await client.post("/v1/score", json=body)).json()

            answers = await asyncio.gather(*(one(*each) for each in asked))
            return answers, (await client.get("/metrics")).text

    answers, metrics = asyncio.run(run())
    for (weights, dial, chosen), answer in zip(asked, answers, strict=True):
        assert answer["tradeoff"]["dial"] == dial
        for place, result in zip(chosen, answer["results"], strict=True):
            expected = opened.run.scorer(weights, dial=dial)(queries[place])
            np.testing.assert_allclose(result["scores"], expected, rtol=0, atol=1e-6)
    batches = float(metrics.partition('moft_batch_queries_count{model="demo"} ')[2].split()[0])
    assert batches < len(asked)


@pytest.fixture
def made():
    """A batcher that is closed in the end."""
    found = Batcher(64, Metrics())
    yield found
    found.close()


class Slow:
    """A scorer that waits for a sign before its first batch, and refuses lists with a negative number."""

    def __init__(self, scorer):
        self.scorer, self.go, self.sizes, self.is_first = scorer, threading.Event(), [], True

    def __call__(self, lists, tradeoff):
        if self.is_first:
            self.is_first = False
            self.go.wait(5)
        self.sizes.append(len(lists))
        if any((rows < -1e6).any() for rows in lists):
            raise RunError("item 1 of list 1: no score.")
        return self.scorer(lists, tradeoff)


def test_what_waits_is_one_batch_and_what_fails_fails_alone(made, opened, queries):
    scorer = Slow(opened.scorer)
    served, other = replace(opened, scorer=scorer), replace(opened, name="other")
    at = [opened.run.tradeoffs([([first, 1 - first], None, "")]) for first in (0.0, 0.3, 0.6, 1.0)]
    wrong = np.full((2, 8), -1e9, dtype=np.float32)

    async def run():
        first = asyncio.create_task(made.scores(served, queries[:1], at[0]))
        await asyncio.sleep(0.01)
        waiting = [asyncio.create_task(made.scores(served, [queries[place]], at[place])) for place in (1, 2)]
        failing = asyncio.create_task(made.scores(served, [wrong], at[3]))
        abandoned = asyncio.create_task(made.scores(served, [queries[3]], at[3]))
        elsewhere = asyncio.create_task(made.scores(other, [queries[1]], at[3]))
        await asyncio.sleep(0.01)
        abandoned.cancel()
        scorer.go.set()
        return await asyncio.gather(first, *waiting, elsewhere, failing, return_exceptions=True)

    *found, failure = asyncio.run(run())
    assert isinstance(failure, RunError)
    for (scores,), rows, tradeoff in zip(found, [*queries[:3], queries[1]], [*at[:3], at[3]], strict=True):
        np.testing.assert_allclose(scores, opened.scorer([rows], tradeoff)[0], rtol=0, atol=1e-6)
    assert scorer.sizes == [1, 3, 1, 1, 1]  # three together, and then each of them alone


def test_a_batch_has_a_limited_number_of_documents(made, opened, queries):
    scorer = Slow(opened.scorer)
    served, at = replace(opened, scorer=scorer), opened.run.tradeoffs([([0.5, 0.5], None, "")])
    rows = np.tile(queries[0], (40, 1))[:40]

    async def run():
        tasks = [asyncio.create_task(made.scores(served, [rows], at)) for _ in range(4)]
        await asyncio.sleep(0.01)
        scorer.go.set()
        await asyncio.gather(*tasks, made.scores(served, [rows] * 3, at))

    asyncio.run(run())
    assert scorer.sizes == [1, 1, 1, 1, 3]


def test_the_event_loop_answers_while_a_batch_is_computed(app, opened, ask):
    go = threading.Event()

    def slow(lists, tradeoff):
        go.wait(10)
        return opened.scorer(lists, tradeoff)

    from moft_serve.application import application
    from moft_serve.http.limits import Limits
    from moft_serve.models.served_models import Models

    slow.features, slow.categories, slow.base_scores = opened.scorer.features, {}, None
    served = replace(opened, scorer=slow)

    async def run():
        transport = httpx.ASGITransport(application(Models([served]), lambda name, path: served, limits=Limits(timeout=0.1)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            score = asyncio.create_task(client.post("/v1/score", json=ask()))
            await asyncio.sleep(0.01)
            assert (await client.get("/health")).status_code == 200
            return await score

    try:
        answer = asyncio.run(run())
    finally:
        go.set()
    assert answer.status_code == 504
    assert answer.json()["error"]["message"].startswith("the scores were not ready within 0.1 s")
