"""The middleware, around a small application in place of vLLM."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from moft_vllm.middleware import LARGEST, Middleware
from moft_vllm.served import open_served

COMPLETIONS = "/v1/completions"


class Engine:
    """vLLM's server as far as it counts here: it resolves adapters, counts them, and answers in two pieces."""

    def __init__(self, served, api_key=None):
        self.served, self.seen, self.removed, self.most = served, [], [], 0
        self.hold = asyncio.Event()
        self.hold.set()
        config = SimpleNamespace(max_model_len=64)
        client = SimpleNamespace(remove_lora=self._remove)
        self.models = SimpleNamespace(lora_requests={}, engine_client=client, model_config=config)
        self.state = SimpleNamespace(openai_serving_models=self.models, args=SimpleNamespace(api_key=api_key))

    async def _remove(self, number):
        self.removed.append(number)

    async def __call__(self, scope, receive, send):
        message = await receive()
        body = json.loads(message["body"] or b"null")
        sizes = [int(value) for name, value in scope["headers"] if name == b"content-length"]
        assert sizes == [len(message["body"])]
        self.seen.append((scope["path"], body))
        name = (body or {}).get("model", "")
        if ":" in name and name not in self.models.lora_requests:
            folder = self.served.adapters.folder(name)
            assert folder.is_dir()
            self.models.lora_requests[name] = SimpleNamespace(lora_int_id=len(self.seen), lora_path=str(folder))
        await self.hold.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: a\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def asked(engine, path, body=None, method="POST", headers=(), kind="http"):
    """Status, headers and pieces of an answer."""
    served, sent = engine.served, []
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = [content[: len(content) // 2], content[len(content) // 2 :]]
    queue = [{"type": "http.request", "body": part, "more_body": number == 0} for number, part in enumerate(parts)]

    async def receive():
        return queue.pop(0) if queue else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "path": path, "method": method, "headers": list(headers), "app": engine, "root_path": ""}
    await Middleware(engine, served)(scope, receive, send)
    if kind != "http":
        return sent
    return sent[0]["status"], dict(sent[0]["headers"]), [message["body"] for message in sent[1:]]


def engine_of(exported, kind="hpt", **settings):
    return Engine(open_served(exported(kind), kept=1), **settings)


def test_answers_pass_through_piece_by_piece_with_the_weights(exported):
    engine = engine_of(exported)
    status, headers, pieces = asyncio.run(asked(engine, COMPLETIONS, {"model": "moft:0.2,0.8", "prompt": "a", "stream": True}))
    assert (status, pieces) == (200, [b"data: a\n\n", b"data: [DONE]\n\n"])
    assert headers[b"x-moft-weights"] == b"brief=0.2,calm=0.8"
    ((_, body),) = engine.seen
    assert "prompt_embeds" in body
    assert "weights" not in body


def test_the_base_model_gets_its_request_unchanged(exported):
    engine = engine_of(exported)
    request = {"model": "owner/base", "prompt": "a"}
    _, headers, _ = asyncio.run(asked(engine, COMPLETIONS, request))
    assert engine.seen == [(COMPLETIONS, request)]
    assert b"x-moft-weights" not in headers


def test_more_weightings_than_are_kept_are_unloaded_with_their_folders(exported):
    async def run():
        engine = engine_of(exported, "hyper-lora")
        engine.hold.clear()
        pending = [
            asyncio.create_task(asked(engine, COMPLETIONS, {"model": f"moft:{k / 8},{1 - k / 8}", "prompt": "a"}))
            for k in range(4)
        ]
        while len(engine.models.lora_requests) < 4:
            await asyncio.sleep(0.005)
        folders = [one.lora_path for one in engine.models.lora_requests.values()]
        engine.hold.set()
        statuses = [status for status, _, _ in await asyncio.gather(*pending)]
        return engine, folders, statuses

    engine, folders, statuses = asyncio.run(run())
    from pathlib import Path

    assert statuses == [200] * 4
    assert len(engine.removed) == 3
    (left,) = engine.models.lora_requests.values()
    assert [folder for folder in folders if Path(folder).exists()] == [left.lora_path]
    engine.served.adapters.clear()


@pytest.mark.parametrize(
    ("path", "method", "body", "status", "told"),
    [
        (COMPLETIONS, "POST", {"model": "moft"}, 400, "this model needs objective weights"),
        (COMPLETIONS, "POST", {"model": "x"}, 404, "model: 'x' is not served here"),
        (COMPLETIONS, "POST", b"{", 400, "the body is not JSON"),
        (COMPLETIONS, "POST", b"x" * (LARGEST + 1), 413, "the body is larger than 32 MiB."),
        (COMPLETIONS, "GET", {}, 405, "GET /v1/completions: the method must be POST."),
        ("/v1/load_lora_adapter", "POST", {}, 404, "/v1/load_lora_adapter: this server has"),
        ("/inference/v1/generate", "POST", {}, 404, "/inference/v1/generate: this server has"),
        ("/v1/responses", "POST", {}, 404, "/v1/responses: this server has"),
        ("/v1/completions/", "POST", {}, 404, "/v1/completions/: this server has"),
        ("/invocations", "POST", {}, 404, "/invocations: this server has"),
    ],
)
def test_errors_have_the_shape_of_openai_and_never_reach_vllm(path, method, body, status, told, exported):
    engine = engine_of(exported)
    found, headers, (content,) = asyncio.run(asked(engine, path, body, method))
    error = json.loads(content)["error"]
    assert (found, set(error), engine.seen) == (status, {"message", "type", "param", "code"}, [])
    assert error["message"].startswith(told)
    assert headers[b"content-type"] == b"application/json"


def test_models_are_listed_by_their_names_in_requests(exported):
    engine = engine_of(exported)
    status, _, (content,) = asyncio.run(asked(engine, "/v1/models", method="GET"))
    assert status == 200
    assert [model["id"] for model in json.loads(content)["data"]] == ["moft", "moft:gentle", "owner/base"]
    assert {model["max_model_len"] for model in json.loads(content)["data"]} == {64}


@pytest.mark.parametrize(("key", "status"), [(b"Bearer one", 200), (b"bearer two", 200), (b"Bearer no", 401), (b"", 401)])
def test_keys_are_checked_before_anything_is_computed(key, status, exported):
    engine = engine_of(exported, api_key=["one", "two"])
    headers = [(b"authorization", key)] if key else []
    request = {"model": "moft:1,0", "prompt": "a"}
    found, _, _ = asyncio.run(asked(engine, COMPLETIONS, request, headers=headers))
    assert (found, len(engine.seen)) == (status, status == 200)


def test_sockets_are_closed(exported):
    assert asyncio.run(asked(engine_of(exported), "/v1/realtime", kind="websocket")) == [
        {"type": "websocket.close", "code": 1008}
    ]
