"""From the body of a request to texts that an engine is asked for, or to one sentence on what is wrong."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from moft import BusyError, MoftError
from moft.api import EncodedPrompt, TextEngine, TextRequest, TextStream
from moft_serve.http.errors import ApiError, refused, unavailable
from moft_serve.http.limits import Limits
from moft_serve.models.served_models import Models, Served
from moft_serve.models.tradeoffs import Resolved, generated, parse_model, resolve
from moft_serve.openai.bodies import ChatBody, CompletionBody


@dataclass(frozen=True)
class Question:
    """What a request asks for.

    Args:
        served: the run.
        resolved: what it is steered to.
        streams: of the texts, those of the first prompt first.
        prompt_tokens: of all prompts.
    """

    served: Served
    resolved: Resolved
    streams: Sequence[TextStream]
    prompt_tokens: int


def ask(models: Models, limits: Limits, body: ChatBody | CompletionBody) -> Question:
    """Has the texts of a request generated. It takes a moment where a chat is rendered, so call it in a thread.

    Raises:
        ApiError: the request asks for something that is wrong, or there is no place for it.
    """
    while True:
        served = models.get(parse_model(body.model)[0])
        engine = served.engine
        if engine is None:
            text = f"model: {served.name!r} ranks documents and generates no text; send its queries to /v1/score."
            raise ApiError(400, text, param="model", code="invalid_value")
        try:
            return _asked(served, engine, limits, body)
        except BusyError as error:
            if engine.is_alive or models.get(served.name) is served:  # else the run was just reloaded
                raise unavailable(error, is_full=engine.is_alive) from error


def _asked(served: Served, engine: TextEngine, limits: Limits, body: ChatBody | CompletionBody) -> Question:
    resolved = generated(served, resolve(served, body, named=parse_model(body.model)[1]))
    prompts = _prompts(engine, body)
    count = len(prompts) * (body.n or 1)
    if count > limits.max_texts:
        told = f"n: {count} texts are asked for, with {len(prompts)} prompts; this server generates {limits.max_texts} at most."
        raise ApiError(400, told, param="n", code="too_many_texts")
    requests = []
    sampling = body.sampling(secrets.randbits(63))
    for place, (where, prompt) in enumerate(prompts):
        most = _most(engine, limits, body, prompt)
        for copy in range(body.n or 1):
            sample = place * (body.n or 1) + copy
            one = TextRequest(prompt, resolved.tradeoff, most, sampling, sample, body.stop, body.likeliest)
            if copy == 0:
                _check(engine, one, where, body)
            requests.append(one)
    return Question(served, resolved, engine.submit(requests), sum(len(prompt.tokens) for _, prompt in prompts))


def _prompts(engine: TextEngine, body: ChatBody | CompletionBody) -> list[tuple[str, EncodedPrompt]]:
    """Each prompt, with its place in the request."""
    try:
        if isinstance(body, ChatBody):
            return [("messages", engine.chat(body.messages, "messages"))]
        given = body.prompt
        places = ["prompt"] if len(given) == 1 else [f"prompt[{place}]" for place in range(len(given))]
        return [(where, engine.text(one, where)) for where, one in zip(places, given, strict=True)]
    except BusyError:
        raise
    except MoftError as error:
        raise refused(error, "messages" if isinstance(body, ChatBody) else "prompt") from error


def _most(engine: TextEngine, limits: Limits, body: ChatBody | CompletionBody, prompt: EncodedPrompt) -> int:
    """The most tokens of a text; where a chat does not say, what the context and the limits leave."""
    if body.most is None:
        room = engine.room(prompt)
        return limits.max_tokens if room is None else max(1, min(room, limits.max_tokens))
    if body.most > limits.max_tokens:
        told = f"max_tokens: {body.most:,} are more than the {limits.max_tokens:,} that this server generates for a text."
        raise ApiError(400, told, param="max_tokens", code="too_many_tokens")
    return body.most


def _check(engine: TextEngine, request: TextRequest, where: str, body: ChatBody | CompletionBody) -> None:
    try:
        engine.check(request, where)
    except MoftError as error:
        field = str(error).partition(":")[0]
        raise refused(error, field if field in type(body).model_fields else where) from error
