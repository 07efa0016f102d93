"""What is served: `/v1/models`, and the reload of a run."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from moft_serve.http.errors import ApiError, ErrorAnswer
from moft_serve.http.tokens import Tokens
from moft_serve.models.reload import Reloader
from moft_serve.models.served_models import Models, Served


class ModelCard(BaseModel):
    """A run that is served, as OpenAI's API lists models, with what moft knows beside."""

    id: str = Field(examples=["demo"])
    object: str = "model"
    created: int = Field(description="When it was opened, in seconds since 1970.")
    owned_by: str = "moft"
    objectives: list[str] = Field(description="Names that weights are given by, in order.", examples=[["clicks", "dwell"]])
    choices: dict[str, Any] = Field(description="Named choices, each with its weights and dial.")
    features: list[str] | None = Field(description="Of a ranker: the columns of its features, in order.")
    categories: dict[str, list[str | int]] | None = Field(description="Of a ranker: the known categories by column.")
    base_scores: str | None = Field(description="Of a ranker: the column of base scores that requests have to give.")


class ModelList(BaseModel):
    """All runs that are served."""

    object: str = "list"
    data: list[ModelCard]


def card(served: Served) -> ModelCard:
    """What a client needs to know of a run."""
    scorer = served.scorer
    return ModelCard(
        id=served.name,
        created=int(served.opened),
        objectives=list(served.objectives),
        choices={name: {"weights": dict(each.weights), "dial": each.dial} for name, each in served.choices.items()},
        features=None if scorer is None else [name for name in scorer.features if name != scorer.base_scores],
        categories=None if scorer is None else {name: list(values) for name, values in scorer.categories.items()},
        base_scores=None if scorer is None else scorer.base_scores,
    )


def models_router(models: Models, reloader: Reloader, tokens: Tokens) -> APIRouter:
    """The routes.

    Args:
        models: that are served.
        reloader: of these.
        tokens: without one, nobody may reload over HTTP.
    """
    router = APIRouter(tags=["models"], responses={"4XX": {"model": ErrorAnswer}})

    @router.get("/v1/models")
    async def listed() -> ModelList:
        """All runs that are served, with the names of their objectives and features."""
        return ModelList(data=[card(served) for served in models])

    @router.get("/v1/models/{name}")
    async def one(name: str) -> ModelCard:
        """One of them."""
        return card(models.get(name))

    @router.post("/v1/models/{name}/reload")
    async def reload(name: str) -> ModelCard:
        """Opens the folder of a run again and serves what it holds now. A run that cannot be opened changes nothing."""
        if not tokens:
            text = "a reload over HTTP needs a server with a token (`--token-file`); SIGHUP reloads without one."
            raise ApiError(403, text, code="token_needed")
        return card(await reloader.reload(name))

    return router
