"""`POST /v1/score`: the scores of documents at the weights of the request, as JSON or Arrow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from moft import MoftError, RunError
from moft.api import Tradeoff, parse_json
from moft_serve.http.errors import ApiError, ErrorAnswer, invalid, refused
from moft_serve.http.gate import record_of
from moft_serve.http.json_body import json_fields
from moft_serve.http.limits import Limits
from moft_serve.models.served_models import Models, Served
from moft_serve.models.tradeoffs import GOALS, Resolved, Steering, parse_model, resolve
from moft_serve.ranking.arrow import MEDIA, body_of, stream_of
from moft_serve.ranking.batcher import Batcher, Floats
from moft_serve.ranking.bodies import Query, ScoreAnswer, ScoreRequest
from moft_serve.ranking.features import FeatureReader, example_query

PARAMETERS = ("model", "weights", "choice", "wish", "dial", "normalize", "expect")
"""Fields of a request that may be query parameters."""
_JSON = "application/json"


def score_router(models: Models, batcher: Batcher, limits: Limits) -> APIRouter:
    """The route.

    Args:
        models: that are served.
        batcher: computes the scores.
        limits: of a request.
    """
    router = APIRouter(tags=["rankers"], responses={"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}})
    body = {"content": {_JSON: {"schema": {"$ref": "#/components/schemas/ScoreRequest"}}, MEDIA: {}}, "required": True}
    parameters = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": "As in the body."}
        for name in PARAMETERS
    ]

    @router.post(
        "/v1/score",
        response_model=ScoreAnswer,
        response_model_exclude_none=True,
        openapi_extra={"requestBody": body, "parameters": parameters},
    )
    async def score(request: Request) -> Response:
        """Scores the documents of queries at weights of your choice, and ranks them.

        The body is JSON, or an Arrow stream with a row for each document and the columns `query` and, if you like, `item`. All
        fields but the queries may also be query parameters: `weights` as text, such as `clicks=0.3,dwell=0.7`, and the others as
        in the body. With `Accept: application/vnd.apache.arrow.stream`, the answer is a stream.
        """
        asked, named = _asked(await _content(request, limits), limits)
        served = models.get(asked.model)
        record = record_of(request)
        record.model = served.name
        if served.scorer is None:
            raise _no_ranker(served)
        lists = _lists(served, asked, limits)
        record.fields |= {"queries": len(lists), "documents": sum(map(len, lists))}
        if asked.wish is None:
            common, own = _resolved(served, asked, named)
        else:
            common, own = await asyncio.to_thread(_resolved, served, asked, named)
        tradeoff = _joined(own)
        try:
            async with asyncio.timeout(limits.timeout):
                scores = await batcher.scores(served, lists, tradeoff)
        except TimeoutError:
            text = f"the scores were not ready within {limits.timeout:g} s; send fewer queries, or send them later."
            raise ApiError(504, text, code="timeout") from None
        except RunError as error:
            raise ApiError(400, str(error), param="queries", code="score_not_finite") from error
        except MoftError as error:
            raise refused(error, "queries") from error
        expected = await asyncio.to_thread(_expected, served, common) if asked.expect else None
        return _answer(request, asked, served, common, own, scores, expected)

    @router.get("/v1/models/{name}/example", response_model=ScoreRequest, response_model_exclude_none=True)
    async def example(name: str) -> Response:
        """A request with ten documents that are made up; it lacks weights, which may be query parameters."""
        served = models.get(name)
        if served.scorer is None:
            raise _no_ranker(served)
        content = {"model": served.name, "queries": [example_query(served.scorer)]}
        return Response(json.dumps(content, ensure_ascii=False), media_type=_JSON)

    return router


async def _content(request: Request, limits: Limits) -> dict[str, Any]:
    """The fields of a request, from its body and, of Arrow, its query parameters."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in (_JSON, MEDIA):
        text = f"content-type: must be {_JSON} or {MEDIA}, not {media or 'nothing'!r}."
        raise ApiError(415, text, param="content-type", code="unsupported_media_type")
    body = await request.body()
    content = body_of(body, limits.max_queries * limits.max_documents) if media == MEDIA else json_fields(body)
    parameters = _parameters(request.query_params)
    for name in content.keys() & parameters.keys():
        raise ApiError(400, f"{name}: is in the body and in the address; give it once.", param=name, code="invalid_value")
    return content | parameters


def _parameters(given: QueryParams) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in given.multi_items():
        if name in found:
            raise ApiError(400, f"{name}: is given twice; give it once.", param=name, code="invalid_value")
        if name not in PARAMETERS:
            raise ApiError(400, f"{name}: is no parameter; there are {', '.join(PARAMETERS)}.", param=name, code="invalid_value")
        is_text = name in ("model", "choice") or (name == "weights" and not text.startswith(("{", "[")))
        try:
            found[name] = text if is_text else parse_json(text)
        except ValueError as error:
            raise ApiError(400, f"{name}: {text[:60]!r} is not JSON ({error}).", param=name, code="invalid_json") from error
    return found


def _asked(content: dict[str, Any], limits: Limits) -> tuple[ScoreRequest, str | None]:
    """The request with the name of its run alone, and what followed this name."""
    queries = content.get("queries")
    if isinstance(queries, list) and len(queries) > limits.max_queries:
        text = f"queries: has {len(queries):,}, and a request may have {limits.max_queries:,}."
        raise ApiError(400, text, param="queries", code="too_many_queries")
    try:
        asked = ScoreRequest.model_validate(content)
    except ValidationError as error:
        raise invalid(error) from error
    asked.model, named = parse_model(asked.model)
    return asked, named


def _lists(served: Served, asked: ScoreRequest, limits: Limits) -> list[Floats]:
    """The features of each query."""
    lists = []
    reader = FeatureReader(served.scorer) if served.scorer is not None else None
    for number, query in enumerate(asked.queries):
        place = f"queries[{number}]"
        if isinstance(query.features, list) and len(query.features) > limits.max_documents:
            raise _too_long(place, len(query.features), limits)
        if reader is None:
            continue
        rows = reader.read(query.features, query.base_scores, place)
        if len(rows) > limits.max_documents:
            raise _too_long(place, len(rows), limits)
        if query.items is not None and len(query.items) != len(rows):
            text = f"{place}.items: has {len(query.items)} ids for {len(rows)} documents."
            raise ApiError(400, text, param=f"{place}.items", code="invalid_value")
        lists.append(rows)
    return lists


def _resolved(served: Served, asked: ScoreRequest, named: str | None) -> tuple[Resolved | None, list[Resolved]]:
    """What the request is steered to, if a query needs it, and what each query is."""
    is_own = [_has_own(query) for query in asked.queries]
    is_needed = not all(is_own) or named is not None or any(getattr(asked, name) is not None for name in GOALS)
    common = resolve(served, asked, named=named) if is_needed else None
    found: list[Resolved] = []
    known: dict[str, Resolved] = {}
    for number, (query, own) in enumerate(zip(asked.queries, is_own, strict=True)):
        if not own and common is not None:
            found.append(common)
            continue
        merged, place = _merged(query, asked), f"queries[{number}]."
        key = merged.model_dump_json(include={"weights", "choice", "wish", "dial", "normalize"})
        if key not in known:
            is_of_request = query.weights is None and query.choice is None
            known[key] = resolve(served, merged, place, named if is_of_request else None)
        found.append(known[key])
    return common, found


def _has_own(query: Query) -> bool:
    """Whether a query has weights, a choice or a dial of its own."""
    return any(value is not None for value in (query.weights, query.choice, query.dial))


def _merged(query: Query, asked: ScoreRequest) -> Steering:
    """The steering of a query: weights or choice, and dial, of its own or else of the request."""
    if query.choice is not None:
        return query
    dial = asked.dial if query.dial is None else query.dial
    if query.weights is not None:
        return query.model_copy(update={"dial": dial, "normalize": query.normalize or asked.normalize})
    return asked.model_copy(update={"dial": dial})


def _joined(rows: list[Resolved]) -> Tradeoff:
    """A row for each query."""
    import torch

    whole = [each.tradeoff for each in rows]
    return Tradeoff(torch.cat([each.weights for each in whole]), torch.cat([each.betas for each in whole]))


def _expected(served: Served, common: Resolved | None) -> dict[str, Any]:
    """What outcomes to expect."""
    if common is None:
        raise ApiError(400, "expect: needs weights of the request, not of each query.", param="expect", code="invalid_value")
    if served.outcomes is None or isinstance(common.dial, Mapping):
        what = "nothing was measured of this run" if served.outcomes is None else "only one dial for all objectives was measured"
        raise ApiError(400, f"expect: {what}; `moft choose` measures it.", param="expect", code="nothing_measured")
    found = served.outcomes.expected(common.tradeoff.weights, common.dial)
    return {name: {"value": each.value, "error": each.error, "base": each.base} for name, each in found.items()}


def _answer(
    request: Request,
    asked: ScoreRequest,
    served: Served,
    common: Resolved | None,
    own: list[Resolved],
    scores: list[Floats],
    expected: dict[str, Any] | None,
) -> Response:
    results = []
    for query, resolved, values in zip(asked.queries, own, scores, strict=True):
        ranking = np.argsort(-values, kind="stable").tolist()
        result: dict[str, Any] = {"id": query.id, "scores": values.tolist(), "ranking": ranking}
        if query.items is not None:
            result["items"] = [query.items[place] for place in ranking]
        if resolved is not common:
            result["tradeoff"] = resolved.echo()
        results.append(result)
    content: dict[str, Any] = {
        "object": "scores",
        "model": served.name,
        "tradeoff": None if common is None else common.echo(),
        "results": results,
        **({} if expected is None else {"expected": expected}),
    }
    if MEDIA in request.headers.get("accept", ""):
        stream = stream_of(ScoreAnswer.model_validate(content), [query.items for query in asked.queries])
        return Response(stream, media_type=MEDIA)
    return Response(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), media_type=_JSON)


def _no_ranker(served: Served) -> ApiError:
    return ApiError(400, f"model: {served.name!r} is no ranker; it writes text.", param="model", code="wrong_task")


def _too_long(place: str, count: int, limits: Limits) -> ApiError:
    text = f"{place}.features: has {count:,} documents, and a query may have {limits.max_documents:,}."
    return ApiError(400, text, param=f"{place}.features", code="too_many_documents")
