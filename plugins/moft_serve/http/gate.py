"""What every request passes: an id, the token, the limits, the log line and the metrics; and what nobody caught ends here."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moft_serve.http.errors import ApiError, error_answer, internal_error
from moft_serve.http.limits import Limits
from moft_serve.http.logs import log
from moft_serve.http.metrics import Metrics
from moft_serve.http.tokens import Tokens

REQUEST_ID = "x-request-id"
OPEN = frozenset({"/", "/health", "/health/live", "/health/ready", "/openapi.json"})
"""Paths that need no token: they show nothing of the runs."""
OPEN_FOLDER = "/page/"
"""Where the files of the steering page are, which need none either."""
PROBES = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Paths that are answered even while the server is full or stops, and whose success is not logged."""
GONE = 499
"""The status in the log of a request whose client went away before its body had arrived, or did not take its answer."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_DRAINED = 4
"""Bodies up to this many times the limit are read to their end, so that the client gets to see the answer."""


@dataclass
class Record:
    """What is told of a request.

    Args:
        id: of the request.
        began: by the clock of `time.perf_counter`.
        model: name of the run.
        fields: further ones of the log line, such as the number of queries.
    """

    id: str
    began: float
    model: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def record_of(request: Request) -> Record:
    """The record of a request, to be filled in by its handler."""
    found: Record = request.scope["moft.record"]
    return found


class Traffic:
    """How many requests are answered now, and whether the server stops; `metrics` shows it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics, self.in_flight, self.is_stopping = metrics, 0, False
        self.seconds = 0.0
        """An average over the last requests, from a request to its answer."""

    def begin(self) -> None:
        """A request came in."""
        self.in_flight += 1
        self._metrics.in_flight.set(self.in_flight)

    def end(self, seconds: float) -> None:
        """It was answered."""
        self.in_flight -= 1
        self._metrics.in_flight.set(self.in_flight)
        self.seconds += 0.05 * (seconds - self.seconds)


class Gate:
    """The outermost layer of the application.

    Args:
        app: all others.
        tokens: that are accepted.
        limits: of the server.
        metrics: to count in.
        traffic: to count in, and to refuse by.
    """

    def __init__(self, app: ASGIApp, *, tokens: Tokens, limits: Limits, metrics: Metrics, traffic: Traffic) -> None:
        self._app, self._tokens, self._limits, self._metrics, self._traffic = app, tokens, limits, metrics, traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        if method == "HEAD":  # has the answer of GET, without its body
            scope = {**scope, "method": "GET"}
        given = headers.get(REQUEST_ID, "")
        record = Record(given if _ID.fullmatch(given) else uuid.uuid4().hex, time.perf_counter())
        scope["moft.record"], status, is_probe = record, 0, path in PROBES

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400:
                    await limited.drain()
                MutableHeaders(scope=message)[REQUEST_ID] = record.id
                if self._traffic.is_stopping:
                    MutableHeaders(scope=message)["connection"] = "close"
            elif method == "HEAD":
                message = {**message, "body": b""}
            try:
                async with asyncio.timeout(self._limits.timeout):
                    await send(message)
            except TimeoutError:  # else clients that read nothing would fill the server
                raise ClientDisconnect from None

        limited = _LimitedBody(receive, self._limits)
        if not is_probe:
            self._traffic.begin()
        try:
            try:
                self._check(path, headers, is_probe=is_probe)
                await self._app(scope, limited, told)
            except ClientDisconnect:
                status = GONE
            except ApiError as error:
                await error_answer(error)(scope, limited, told)
            except asyncio.CancelledError:
                if not self._traffic.is_stopping:
                    raise
                if not status:
                    text = "the server stopped before it could answer; send the request again."
                    await error_answer(ApiError(503, text, code="stopping", headers={"Retry-After": "1"}))(scope, limited, told)
            except Exception as error:
                log("error", logging.ERROR, error=error, id=record.id, path=path)
                if not status:
                    await error_answer(internal_error(record.id))(scope, limited, told)
        finally:
            seconds = time.perf_counter() - record.began
            if not is_probe:
                self._traffic.end(seconds)
            self._tell(scope, method, record, status, seconds, is_quiet=is_probe and status < 400)

    def _check(self, path: str, headers: Headers, *, is_probe: bool) -> None:
        """Refuses a request before anything of it is read."""
        is_open = path in OPEN or path.startswith(OPEN_FOLDER) or not self._tokens
        if not is_open and not self._tokens.accept(headers.get("authorization")):
            told = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, "the bearer token is missing or wrong.", code="invalid_api_key", headers=told)
        if is_probe:
            return
        if self._traffic.is_stopping:
            raise ApiError(503, "the server stops; send the request again.", code="stopping", headers={"Retry-After": "1"})
        if self._traffic.in_flight > self._limits.max_requests:
            wait = str(min(60, max(1, math.ceil(self._traffic.seconds))))
            text = f"the server answers {self._limits.max_requests:,} requests already; send this one again in {wait} s."
            raise ApiError(429, text, code="too_many_requests", headers={"Retry-After": wait})
        length = headers.get("content-length", "")
        if length.isascii() and length.isdecimal() and int(length[:20]) > self._limits.max_body_bytes:
            raise _too_large(self._limits)

    def _tell(self, scope: Scope, method: str, record: Record, status: int, seconds: float, *, is_quiet: bool) -> None:
        """Counts a request and logs it."""
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(route, record.model, str(status)).inc()
        self._metrics.seconds.labels(route, record.model).observe(seconds)
        if not is_quiet:
            client = scope["client"][0] if scope.get("client") else None
            fields = {"id": record.id, "method": method, "path": scope["path"], "status": status}
            log("request", **fields, model=record.model or None, seconds=round(seconds, 6), client=client, **record.fields)


class _LimitedBody:
    """Receives a body of limited size within limited time."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive, self._limits, self._size, self._is_whole = receive, limits, 0, False
        self._until = time.monotonic() + limits.timeout

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()
        message = await self._part()
        if self._size > self._limits.max_body_bytes:
            raise _too_large(self._limits)
        return message

    async def drain(self) -> None:
        """Reads what is left of a body that was refused, within limits."""
        most = _DRAINED * self._limits.max_body_bytes
        self._until = min(self._until, time.monotonic() + 5)
        try:
            while not self._is_whole and self._size <= most:
                await self._part()
        except ApiError:
            return

    async def _part(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until - time.monotonic()))
        except TimeoutError:
            self._is_whole = True
            text = f"the body did not arrive within {self._limits.timeout:g} s."
            raise ApiError(408, text, code="timeout", headers={"Connection": "close"}) from None
        self._size += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        return message


def _too_large(limits: Limits) -> ApiError:
    text = f"the body is larger than {limits.max_body_bytes:,} bytes; send fewer queries at a time."
    return ApiError(413, text, code="body_too_large", headers={"Connection": "close"})
