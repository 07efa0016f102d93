"""Ids, tokens, limits, logs and metrics of every request; a bug is told in the log alone."""

from __future__ import annotations

import asyncio
import json
import logging

import httpx
import pytest

from moft_serve.http.gate import Traffic
from moft_serve.http.limits import Limits
from moft_serve.http.logs import JsonLines, TextLines

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def lines():
    """The log, as JSON."""
    found = []
    logger = logging.getLogger("moft.serve")

    class Keeper(logging.Handler):
        def emit(self, record):
            found.append(json.loads(JsonLines().format(record)))
            TextLines().format(record)

    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = [Keeper()], False
    logger.setLevel(logging.INFO)
    yield found
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


def test_a_token_is_needed_where_there_is_one(client, ask):
    own = client(tokens=(TOKEN, "another-token"))
    for headers in (
        {},
        {"authorization": "Bearer wrong-token"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer "},
    ):
        for method, path in (("POST", "/v1/score"), ("GET", "/v1/models"), ("GET", "/metrics"), ("GET", "/nothing")):
            answer = own.request(method, path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.json()["error"] == {
                "message": "the bearer token is missing or wrong.",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_api_key",
            }
            assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/health", "/health/live", "/health/ready", "/openapi.json"):
        assert own.get(path).status_code == 200
    for token in (TOKEN, "another-token"):
        assert own.post("/v1/score", json=ask(), headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_ids_come_back_and_the_log_has_a_line_without_content(client, ask, lines):
    own = client(tokens=(TOKEN,))
    headers = {"authorization": f"Bearer {TOKEN}", "x-request-id": "mine-1"}
    assert own.post("/v1/score", json=ask(2), headers=headers).headers["x-request-id"] == "mine-1"
    assert len(own.get("/v1/models", headers={"x-request-id": "no id\t"}).headers["x-request-id"]) == 32
    own.get("/health")
    score, models = lines
    assert score["event"] == "request"
    assert {name: score[name] for name in ("id", "method", "path", "status", "model", "queries", "documents", "level")} == {
        **{"id": "mine-1", "method": "POST", "path": "/v1/score", "status": 200, "model": "demo"},
        **{"queries": 2, "documents": score["documents"], "level": "info"},
    }
    assert models["status"] == 401
    assert TOKEN not in json.dumps(lines)


def test_a_large_body_is_refused_before_it_is_kept(client, ask):
    own = client(limits=Limits(max_body_bytes=1000))
    assert len(json.dumps(ask(8))) > 1000
    for body in ({"json": ask(8)}, {"content": iter([b"{" * 800] * 2), "headers": {"content-type": "application/json"}}):
        answer = own.post("/v1/score", **body)
        assert answer.status_code == 413
        assert answer.json()["error"]["message"] == "the body is larger than 1,000 bytes; send fewer queries at a time."
        assert answer.headers["connection"] == "close"


def test_a_body_that_does_not_arrive_ends_the_request(app):
    application = app(limits=Limits(timeout=0.05))
    sent = []

    async def run():
        parts = iter([{"type": "http.request", "body": b"{", "more_body": True}])

        async def receive():
            if not (part := next(parts, None)):
                await asyncio.sleep(10)
            return part

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/score", "headers": headers, "query_string": b"", "client": None}
        scope |= {"http_version": "1.1", "scheme": "http", "root_path": "", "raw_path": b"/v1/score", "server": ("test", 80)}
        await application(scope, receive, send)

    asyncio.run(run())
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error"]["message"] == "the body did not arrive within 0.05 s."


def test_too_many_requests_get_429_and_a_stopping_server_503(app, ask):
    application = app(limits=Limits(max_requests=2))
    traffic: Traffic = application.state.traffic

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://test") as client:
            traffic.begin(), traffic.begin()
            full = await client.post("/v1/score", json=ask())
            health = await client.get("/health")
            traffic.end(3.0), traffic.end(3.0)
            free = await client.post("/v1/score", json=ask())
            traffic.is_stopping = True
            stopping = await client.post("/v1/score", json=ask()), await client.get("/health"), await client.get("/health/live")
            return full, health, free, *stopping

    full, health, free, stopping, ready, live = asyncio.run(run())
    assert full.status_code == 429
    assert full.headers["retry-after"] == "1"
    assert full.json()["error"]["type"] == "rate_limit_error"
    assert (health.status_code, free.status_code, ready.status_code, live.status_code) == (200, 200, 503, 200)
    assert stopping.status_code == 503
    assert stopping.json()["error"] == {
        "message": "the server stops; send the request again.",
        "type": "server_error",
        "param": None,
        "code": "stopping",
    }
    assert traffic.in_flight == 0


def test_a_bug_is_told_in_the_log_alone(client, ask, lines, monkeypatch):
    monkeypatch.setattr("moft_serve.ranking.router._lists", lambda *_: 1 / 0)
    answer = client().post("/v1/score", json=ask(), headers={"x-request-id": "bug-1"})
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "internal error; the log of the server has it under request bug-1."
    assert "ZeroDivisionError" in lines[0]["traceback"]
    assert lines[1]["status"] == 500


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nothing", 404, "/nothing: there is no such address; GET /openapi.json lists all."),
        ("POST", "/v1/score/", 404, "/v1/score/: there is no such address; GET /openapi.json lists all."),
        ("GET", "/v1/score", 405, "/v1/score: takes POST, not GET."),
    ],
)
def test_an_address_or_method_without_a_route_is_told(client, method, path, status, message):
    answer = client().request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["message"] == message
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)


def test_metrics_count_requests_by_route_model_and_status(client, ask):
    own = client()
    own.post("/v1/score", json=ask(3))
    own.post("/v1/score", json=ask(weights=None))
    own.post("/v1/score", json=ask(model="other"))
    own.get("/nothing")
    text = own.get("/metrics").text
    for line in (
        'moft_requests_total{model="demo",route="/v1/score",status="200"} 1.0',
        'moft_requests_total{model="demo",route="/v1/score",status="400"} 1.0',
        'moft_requests_total{model="",route="/v1/score",status="404"} 1.0',
        'moft_requests_total{model="",route="unmatched",status="404"} 1.0',
        'moft_request_duration_seconds_count{model="demo",route="/v1/score"} 2.0',
        'moft_batch_queries_sum{model="demo"} 3.0',
        "moft_queue_queries 0.0",
        "moft_requests_in_flight 0.0",
    ):
        assert line in text, text
    assert "process_resident_memory_bytes" in text


def test_a_client_that_does_not_take_its_answer_is_given_up(app, lines):
    own = app(limits=Limits(timeout=0.05))
    scope = {"type": "http", "method": "GET", "path": "/v1/models", "query_string": b"", "headers": []}

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    asyncio.run(asyncio.wait_for(own(scope, receive, send), 5))
    assert own.state.traffic.in_flight == 0
    assert lines[-1]["status"] == 499


def test_head_has_the_answer_of_get_without_its_body(client, lines):
    own = client()
    for path, status in (("/health", 200), ("/health/live", 200), ("/metrics", 200), ("/v1/models", 200), ("/v1/models/x", 404)):
        answer, whole = own.head(path), own.get(path)
        assert (answer.status_code, answer.content) == (status, b""), path
        assert answer.headers["content-type"] == whole.headers["content-type"]
        assert path == "/metrics" or answer.headers["content-length"] == whole.headers["content-length"]
    assert own.head("/v1/score").status_code == 405
    assert [line["method"] for line in lines if line["path"] == "/v1/models"] == ["HEAD", "GET"]
