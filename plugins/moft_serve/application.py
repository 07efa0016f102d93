"""The application: the routes of all that is served, behind one gate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

import moft
from moft_serve.health import health_router
from moft_serve.http.errors import add_error_answers
from moft_serve.http.gate import Gate, Traffic
from moft_serve.http.limits import Limits
from moft_serve.http.metrics import Metrics
from moft_serve.http.tokens import Tokens
from moft_serve.models.models_router import models_router
from moft_serve.models.reload import Reloader
from moft_serve.models.served_models import Models, Opener
from moft_serve.openai.router import openai_router
from moft_serve.page.router import page_router
from moft_serve.ranking.batcher import Batcher
from moft_serve.ranking.bodies import ScoreRequest
from moft_serve.ranking.router import score_router

_TEXT = """Scores and texts of runs of moft, at objective weights that each request chooses.

Errors have the shape of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`."""


def application(models: Models, open_served: Opener, *, tokens: Tokens | None = None, limits: Limits | None = None) -> FastAPI:
    """The application.

    Its `state` has `models`, `traffic`, whose `is_stopping` refuses new requests, and `reloader`.

    Args:
        models: that are served.
        open_served: opens a run again at a reload.
        tokens: that requests need one of; None for none.
        limits: None for those by default.
    """
    tokens, limits, metrics = tokens or Tokens(), limits or Limits(), Metrics()
    traffic, batcher = Traffic(metrics), Batcher(limits.max_batch_documents, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        batcher.close()
        for served in models:
            if served.engine is not None:
                await asyncio.to_thread(served.engine.close, drain=False)

    app = FastAPI(
        title="moft serve",
        version=moft.__version__,
        description=_TEXT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # it would lead to the host that a request names
    )
    app.state.models, app.state.traffic, app.state.reloader = models, traffic, Reloader(models, open_served, metrics)
    app.include_router(health_router(models, traffic, metrics))
    for router in _task_routers(models, batcher, limits, metrics):
        app.include_router(router)
    app.include_router(models_router(models, app.state.reloader, tokens))
    add_error_answers(app)
    app.add_middleware(Gate, tokens=tokens, limits=limits, metrics=metrics, traffic=traffic)
    _add_schema(app, tokens)
    return app


def _task_routers(models: Models, batcher: Batcher, limits: Limits, metrics: Metrics) -> list[APIRouter]:
    """The routes of each kind of run, and those of the page that people look at."""
    return [score_router(models, batcher, limits), openai_router(models, limits, metrics), page_router(models)]


def _add_schema(app: FastAPI, tokens: Tokens) -> None:
    """Adds to the OpenAPI document what no route declares: the body of `/v1/score`, and the bearer token."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = plain()
            own = ScoreRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            known = schema.setdefault("components", {}).setdefault("schemas", {})
            known |= {**own.pop("$defs", {}), "ScoreRequest": own}
            if tokens:
                schema["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"bearer": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
