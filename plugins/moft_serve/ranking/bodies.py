"""The bodies of `/v1/score`: what a request holds, and what an answer holds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from moft_serve.models.tradeoffs import Steering, WishfulSteering

_VALUE: dict[str, Any] = {"type": ["number", "string", "boolean", "null"]}
_VALUES: dict[str, Any] = {"type": "array", "items": _VALUE}
_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": _VALUE}
_FEATURES: dict[str, Any] = {
    "oneOf": [
        {"type": "array", "items": _VALUES, "description": "A row for each document, in the order of the run's features."},
        {"type": "array", "items": _OBJECT, "description": "An object for each document, by the names of the features."},
        {"type": "object", "additionalProperties": _VALUES, "description": "A column for each feature, by its name."},
    ]
}
_EXAMPLE: dict[str, Any] = {
    "weights": {"clicks": 0.3, "dwell": 0.7},
    "queries": [{"id": "q1", "features": [[0.1, 2.0], [0.3, None]], "items": ["a", "b"]}],
}


class Query(Steering):
    """A query and its documents; weights, choice and dial of its own replace those of the request."""

    id: str | int | None = Field(None, description="Comes back in the answer.", examples=["q1"])
    features: Annotated[Any, WithJsonSchema(_FEATURES)] = Field(
        description="The documents' features: rows in order, objects by name, or columns by name. A missing value is null; a "
        "category is its name in the training data."
    )
    items: list[str | int] | None = Field(
        None, fail_fast=True, description="The documents' ids, which come back best first.", examples=[["a", "b"]]
    )
    base_scores: Annotated[Any, WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "null"}]})] = (
        Field(None, description="Score of each document by the base model, for runs whose base model is outside.")
    )


class ScoreRequest(WishfulSteering):
    """Queries whose documents are to be scored."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})
    model: str | None = Field(
        None,
        description="Name of a run, also with weights or a choice: `NAME:clicks=0.3,dwell=0.7`. Not needed if there is one run.",
    )
    queries: list[Query] = Field(min_length=1, description="At least one.")
    expect: bool = Field(False, description="Also say what outcomes to expect at the request's weights.")


class Tradeoff(BaseModel):
    """What was steered to."""

    weights: dict[str, float] = Field(examples=[{"clicks": 0.3, "dwell": 0.7}])
    dial: float | dict[str, float] = Field(examples=[1.0])
    choice: str | None = Field(None, description="Whose weights these are, if one was named.")
    notes: list[str] | None = Field(None, description="What the client should know of them.")


class Expected(BaseModel):
    """What to expect of an outcome, as a mean over the lists that were measured."""

    value: float = Field(description="Predicted.")
    error: float = Field(description="Mean absolute error of such predictions.")
    base: float = Field(description="Value of the base model.")


class Scored(BaseModel):
    """The scores of a query."""

    id: str | int | None = Field(description="As in the request.")
    scores: list[float] = Field(description="Of each document, in the order of the request.", examples=[[0.25, 1.5]])
    ranking: list[int] = Field(description="Places of the documents in the request, from 0, best first.", examples=[[1, 0]])
    items: list[str | int] | None = Field(None, description="Their ids, best first.", examples=[["b", "a"]])
    tradeoff: Tradeoff | None = Field(None, description="Where the query has one of its own.")


class ScoreAnswer(BaseModel):
    """The scores of all queries, in the order of the request."""

    object: str = "scores"
    model: str = Field(description="Name of the run.", examples=["demo"])
    tradeoff: Tradeoff | None = Field(description="Of the request; null where each query has one of its own.")
    results: list[Scored]
    expected: dict[str, Expected] | None = Field(None, description="By outcome, if that was asked.")
