"""A body that was mutated is scored or refused in one sentence, and never ends in an error of the server."""

from __future__ import annotations

import json
from random import Random

import numpy as np
import pyarrow as pa

from moft_serve.ranking.arrow import MEDIA
from tests.hostile.mutations import mutated

COUNT = 60


def check(answer, number):
    assert answer.status_code < 500, (number, answer.text)
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert error["message"].endswith(".") or "..." in error["message"], (number, error)
        assert "\n" not in error["message"], number


def test_mutated_json(client, ask, queries):
    own = client()
    own_weights = {"features": queries[1].tolist(), "weights": [1, 0], "items": list(range(len(queries[1])))}
    bodies = [
        ask(2, dial=2, model="demo"),
        ask(weights=None, wish={"keep": ["second >= 10% of best"], "maximise": "first"}, expect=True),
        ask(queries=[own_weights]),
    ]
    for number in range(COUNT):
        body = mutated(json.dumps(bodies[number % len(bodies)]).encode(), "json", Random(number))
        check(own.post("/v1/score", content=body, headers={"content-type": "application/json"}), number)


def test_mutated_streams(client, opened, queries):
    own, sink = client(), pa.BufferOutputStream()
    columns = dict(zip(opened.scorer.features, queries[0].T, strict=True))
    table = pa.table({"query": np.repeat("q", len(queries[0])), **columns})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    for number in range(COUNT):
        body = mutated(sink.getvalue().to_pybytes(), "binary", Random(number))
        check(own.post("/v1/score?weights=0.5,0.5", content=body, headers={"content-type": MEDIA}), number)
