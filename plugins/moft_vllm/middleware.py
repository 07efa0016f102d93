"""The ASGI middleware in front of vLLM's server: weights in, embeddings or an adapter's name out; answers pass through."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from moft_vllm.errors import RequestError
from moft_vllm.requests import CHAT, COMPLETIONS, Rewritten
from moft_vllm.served import Served, served

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

MODELS = "/v1/models"
PASSED = ("/health", "/ping", "/version", "/metrics", "/load")
"""Paths of vLLM that stay reachable. All others could take embeddings or adapters from outside, or skip the policy."""
LARGEST = 32 * 2**20
"""Bytes of the largest body of a request."""
WEIGHTS_HEADER = b"x-moft-weights"
"""Of an answer: the weights it was generated at."""


class Middleware:
    """Answers what is wrong, and hands everything else on to vLLM.

    Args:
        app: of vLLM, or another middleware.
        what: that is served; None for what the environment names.
    """

    def __init__(self, app: App, what: Served | None = None) -> None:
        self._app = app
        self._served = served() if what is None else what

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path, method = scope["path"].removeprefix(scope.get("root_path", "")), scope["method"]
        known = {**dict.fromkeys((*PASSED, MODELS), ("GET", "HEAD")), COMPLETIONS: ("POST",), CHAT: ("POST",)}
        try:
            if path not in known:
                told = f"{path}: this server has {', '.join(known)} only."
                raise RequestError(told, status=404, code="not_found")
            if method == "OPTIONS" or path in PASSED:
                await self._app(scope, receive, send)
                return
            if method not in known[path]:
                raise RequestError(f"{method} {path}: the method must be {known[path][0]}.", status=405)
            _check_key(scope)
            if path == MODELS:
                await _answer(send, 200, _models(self._served, _longest(scope)))
            else:
                await self._generate(path, scope, receive, send)
        except RequestError as error:
            await _answer(send, error.status, error.body())

    async def _generate(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        content = await _body(scope, receive)
        if content is None:
            return
        models = getattr(scope["app"].state, "openai_serving_models", None)
        new = await asyncio.to_thread(self._served.requests.rewritten, path, content, _longest(scope))
        rewritten = content if new.body is None else new.body
        headers = [pair for pair in scope["headers"] if pair[0].lower() not in (b"content-length", b"transfer-encoding")]
        scope = {**scope, "headers": [*headers, (b"content-length", str(len(rewritten)).encode())]}
        adapters = self._served.adapters
        if new.adapter is not None:
            adapters.use(new.adapter, None if new.tradeoff is None else new.tradeoff.weights)
        try:
            await self._app(scope, _once(rewritten, receive), self._told(new, send))
        finally:
            if new.adapter is not None:
                adapters.leave(new.adapter)
                await asyncio.shield(self._unload(models))

    async def _unload(self, models: Any) -> None:
        """Lets vLLM forget the adapters that nobody uses, and only then deletes their folders."""
        for name in self._served.adapters.surplus():
            known = None if models is None else models.lora_requests.pop(name, None)
            if known is not None:
                await models.engine_client.remove_lora(known.lora_int_id)
            self._served.adapters.drop(name)

    def _told(self, new: Rewritten, send: Send) -> Send:
        """Sends an answer, with the weights in its head."""
        if new.tradeoff is None:
            return send
        told = (WEIGHTS_HEADER, self._served.tradeoffs.named(new.tradeoff.weights).encode("ascii", "backslashreplace"))

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), told]}
            await send(message)

        return sent


def _models(what: Served, longest: int | None) -> dict[str, Any]:
    """The answer of `/v1/models`; as in vLLM, with the tokens that the context has."""
    common = {"object": "model", "created": int(time.time()), "owned_by": "moft", "max_model_len": longest}
    return {"object": "list", "data": [{"id": name, **common} for name in what.tradeoffs.models]}


def _longest(scope: Scope) -> int | None:
    """The tokens that the context has; None where it is not known."""
    models = getattr(scope["app"].state, "openai_serving_models", None)
    return None if models is None else int(models.model_config.max_model_len)


def _check_key(scope: Scope) -> None:
    """Checks the key of a client before anything is computed for it, as vLLM will.

    Raises:
        RequestError: it is wrong.
    """
    given = getattr(getattr(scope["app"].state, "args", None), "api_key", None) or [os.environ.get("VLLM_API_KEY")]
    keys = [key for key in given if key]
    if not keys:
        return
    said = next((value for name, value in scope["headers"] if name.lower() == b"authorization"), b"")
    scheme, _, key = said.partition(b" ")
    if scheme.lower() != b"bearer" or not any(hmac.compare_digest(key, known.encode()) for known in keys):
        raise RequestError("the header Authorization must be 'Bearer KEY', with a key of this server.", status=401)


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a request; None where the client has gone.

    Raises:
        RequestError: it is too large.
    """
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        content += message.get("body", b"")
        if len(content) > LARGEST:
            raise RequestError(f"the body is larger than {LARGEST >> 20} MiB.", status=413)
        if not message.get("more_body", False):
            return bytes(content)


def _once(content: bytes, receive: Receive) -> Receive:
    """Gives a body that is there already, and then what the client does."""
    is_given = False

    async def received() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return received


async def _answer(send: Send, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
