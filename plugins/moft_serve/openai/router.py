"""`/v1/chat/completions` and `/v1/completions`, as clients of OpenAI's API expect them, each request at its own weights."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from moft import BusyError, DataError, MoftError
from moft_serve.http.errors import ApiError, ErrorAnswer, error_answer, refused, unavailable
from moft_serve.http.gate import record_of
from moft_serve.http.limits import Limits
from moft_serve.http.logs import log
from moft_serve.http.metrics import Metrics
from moft_serve.models.served_models import Models
from moft_serve.openai.bodies import ChatBody, CompletionBody
from moft_serve.openai.forms import ChatForm, CompletionForm, Form
from moft_serve.openai.json_route import JsonRoute
from moft_serve.openai.questions import Question, ask
from moft_serve.openai.waiting import merged, whole_texts

_EVENTS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}, "text/event-stream": {}}},
    "4XX": {"model": ErrorAnswer},
}


def openai_router(models: Models, limits: Limits, metrics: Metrics) -> APIRouter:
    """The routes.

    Args:
        models: that are served.
        limits: of the server.
        metrics: to count in.
    """
    router = APIRouter(tags=["texts"], route_class=JsonRoute)

    @router.post("/v1/chat/completions", responses=_STREAMED, response_model=None)
    async def chat(body: ChatBody, request: Request) -> Response:
        """The next message of a conversation. The answer has what it was steered to under `tradeoff`."""
        return await _answer(ChatForm(), body, request)

    @router.post("/v1/completions", responses=_STREAMED, response_model=None)
    async def complete(body: CompletionBody, request: Request) -> Response:
        """Texts that go on, without a template. The answer has what they were steered to under `tradeoff`."""
        return await _answer(CompletionForm(), body, request)

    async def _answer(form: Form, body: ChatBody | CompletionBody, request: Request) -> Response:
        if body.stream_options is not None and not body.stream:
            raise ApiError(400, "stream_options: needs stream: true.", param="stream_options", code="invalid_value")
        question = await asyncio.to_thread(ask, models, limits, body)
        record = record_of(request)
        record.model, record.fields["texts"] = question.served.name, len(question.streams)
        record.fields["prompt_tokens"] = question.prompt_tokens
        if body.stream:
            usage = body.stream_options is not None and body.stream_options.include_usage
            return StreamingResponse(_pieces(form, question, request, usage=usage), 200, _EVENTS, "text/event-stream")
        try:
            texts = await whole_texts(question.streams, request, limits.text_timeout)
        except MoftError as error:
            raise _failed(error) from error
        tokens = sum(event.token is not None for events in texts for event in events)
        _count(request, question, tokens)
        choices = [form.choice(index, events) for index, events in enumerate(texts)]
        head = _head(form, question, form.kind)
        return JSONResponse({**head, "choices": choices, "usage": _usage(question, tokens), "tradeoff": _steered(question)})

    async def _pieces(form: Form, question: Question, request: Request, *, usage: bool) -> AsyncIterator[str]:
        """The events of a streamed answer."""
        head = _head(form, question, form.piece_kind) | ({"usage": None} if usage else {})
        more: dict[str, Any] = {}
        begun: set[int] = set()
        tokens = 0
        try:
            async for index, event in merged(question.streams, limits.text_timeout):
                tokens += event.token is not None
                if index not in begun:
                    more = {} if begun else {"tradeoff": _steered(question)}
                    begun.add(index)
                    if (first := form.first_piece(index)) is not None:
                        yield _event({**head, "choices": [first], **more})
                        more = {}
                if event.text or event.score is not None or event.finish is not None:
                    yield _event({**head, "choices": [form.piece(index, event)], **more})
                    more = {}
            if usage:
                yield _event({**head, "choices": [], "usage": _usage(question, tokens)})
            yield "data: [DONE]\n\n"
        except (ApiError, MoftError) as error:
            answer = error_answer(error if isinstance(error, ApiError) else _failed(error))
            yield f"data: {bytes(answer.body).decode()}\n\n"
        finally:
            _count(request, question, tokens)

    def _count(request: Request, question: Question, tokens: int) -> None:
        record_of(request).fields["tokens"] = tokens
        metrics.text_tokens.labels(question.served.name).inc(tokens)
        metrics.prompt_tokens.labels(question.served.name).inc(question.prompt_tokens)

    return router


def _head(form: Form, question: Question, kind: str) -> dict[str, Any]:
    return {
        "id": f"{form.prefix}{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": question.served.name,
    }


def _steered(question: Question) -> dict[str, Any]:
    """What the texts were steered to, once there is an event of each."""
    echo = question.resolved.echo()
    notes = [*echo.pop("notes", ()), *dict.fromkeys(note for stream in question.streams for note in stream.notes)]
    return {**echo, **({"notes": notes} if notes else {})}


def _usage(question: Question, tokens: int) -> dict[str, int]:
    prompt = question.prompt_tokens
    return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}


def _event(content: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


def _failed(error: MoftError) -> ApiError:
    """A text that was taken and not generated."""
    if isinstance(error, BusyError):
        return unavailable(error)
    if isinstance(error, DataError):  # found by the engine alone
        return refused(error)
    log("error", logging.ERROR, error=error)
    return ApiError(500, str(error), code="generation_failed")
