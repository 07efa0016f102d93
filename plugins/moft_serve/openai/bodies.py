"""The bodies of `/v1/chat/completions` and `/v1/completions`: OpenAI's fields, and those that steer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from moft.api import TokenSampling
from moft_serve.http.errors import ApiError
from moft_serve.models.tradeoffs import WishfulSteering, small
from moft_serve.openai.unsupported import without_unsupported

COMPLETION_TOKENS = 16
"""Of a completion that does not say how many, as in OpenAI's API."""

_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_TOKENS: dict[str, Any] = {"type": "array", "items": {"type": "integer"}}


def _stops(value: object) -> object:
    found = [value] if isinstance(value, str) else value
    if found is None or (isinstance(found, list) and len(found) <= 16 and all(map(_is_stop, found))):
        return tuple(found or ())
    raise ValueError("must be a text or up to 16 texts, each of 1 to 200 characters")


def _is_stop(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200


def _prompts(value: object) -> list[str | list[int]]:
    if isinstance(value, str) or _is_tokens(value):
        return [value]  # type: ignore[list-item]
    if isinstance(value, list) and value and (all(isinstance(one, str) for one in value) or all(map(_is_tokens, value))):
        return value
    raise ValueError("must be a text, a list of texts, a list of numbers of tokens, or a list of such lists, and not empty")


def _is_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) is int and 0 <= one < 2**31 for one in value)


class StreamOptions(BaseModel):
    """How a text is streamed."""

    model_config = ConfigDict(extra="forbid", strict=True)
    include_usage: bool = Field(False, description="Send the numbers of tokens in a last event.")


class TextBody(WishfulSteering):
    """What both kinds of request have."""

    model_config = ConfigDict(extra="forbid", strict=True)
    model: str | None = Field(
        None, description="Name of a run, which weights may follow.", examples=["stories:brevity=0.2,positive=0.8"]
    )
    stream: bool | None = Field(False, description="Send the text in pieces, as server-sent events.")
    stream_options: StreamOptions | None = None
    n: int | None = Field(1, ge=1, description="Texts for each prompt.")
    stop: Annotated[Any, AfterValidator(_stops), WithJsonSchema({"anyOf": [{"type": "string"}, _TEXTS, {"type": "null"}]})] = (
        Field((), description="Up to 16 strings that end the text, and are no part of it.")
    )
    seed: int | None = Field(
        None, ge=-(2**63), lt=2**63, description="The same seed gives the same text, except for rounding; null draws one."
    )
    max_tokens: int | None = Field(None, ge=1, description="The most tokens of a text.")
    temperature: float | None = Field(1.0, ge=0, le=2, description="Of sampling, not the dial; 0 takes the likeliest token.")
    top_p: float | None = Field(1.0, gt=0, le=1, description="Sample from the likeliest tokens with this probability together.")
    top_k: int | None = Field(0, ge=0, lt=2**31, description="Sample from this many likeliest tokens; 0 for all.")
    presence_penalty: float | None = Field(0.0, ge=-2, le=2)
    frequency_penalty: float | None = Field(0.0, ge=-2, le=2)
    repetition_penalty: float | None = Field(1.0, ge=0.01, le=10)
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]] | None, BeforeValidator(small(1_000))] = Field(
        None, description="By number of a token."
    )

    @model_validator(mode="before")
    @classmethod
    def _supported(cls, fields: object) -> object:
        return without_unsupported(fields)

    def sampling(self, seed: int) -> TokenSampling:
        """How tokens are chosen.

        Args:
            seed: where the request has none.

        Raises:
            ApiError: a key of the bias is no number of a token.
        """
        bias: dict[int | tuple[int, ...], float] = {}
        for key, value in (self.logit_bias or {}).items():
            if not (key.isascii() and key.isdecimal() and len(key) < 10):
                text = f"logit_bias: {key[:40]!r} is no number of a token."
                raise ApiError(400, text, param="logit_bias", code="invalid_value")
            bias[int(key)] = value
        return TokenSampling(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_k=self.top_k or 0,
            top_p=1.0 if self.top_p is None else self.top_p,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repetition_penalty=1.0 if self.repetition_penalty is None else self.repetition_penalty,
            bias=bias,
            seed=seed if self.seed is None else self.seed,
        )


class ChatBody(TextBody):
    """A conversation whose next message is generated; it is rendered as in training."""

    messages: list[dict[str, Any]] = Field(
        min_length=1,
        fail_fast=True,
        description="With role and content.",
        examples=[[{"role": "user", "content": "Once upon a time"}]],
    )
    max_completion_tokens: int | None = Field(None, ge=1, description="The same as max_tokens.")
    logprobs: bool | None = Field(False, description="Report the log-probability of each token.")
    top_logprobs: int | None = Field(None, ge=0, le=20, description="Report this many likeliest tokens at each place, too.")

    @property
    def likeliest(self) -> int | None:
        """How many of the likeliest tokens are reported; None reports nothing.

        Raises:
            ApiError: some are asked for without log-probabilities.
        """
        if self.top_logprobs is not None and not self.logprobs:
            raise ApiError(400, "top_logprobs: needs logprobs: true.", param="top_logprobs", code="invalid_value")
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def most(self) -> int | None:
        """The most tokens; None where the request does not say.

        Raises:
            ApiError: it says two numbers.
        """
        given = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(given) > 1:
            text = f"max_tokens: {self.max_tokens} and max_completion_tokens: {self.max_completion_tokens} differ; give one."
            raise ApiError(400, text, param="max_tokens", code="invalid_value")
        return next(iter(given), None)


class CompletionBody(TextBody):
    """Texts that are continued, without a template."""

    prompt: Annotated[
        Any,
        AfterValidator(_prompts),
        WithJsonSchema({"anyOf": [{"type": "string"}, _TEXTS, _TOKENS, {"type": "array", "items": _TOKENS}]}),
    ] = Field(description="A text, several, or the same as numbers of tokens.", examples=["Once upon a time"])
    logprobs: int | None = Field(None, ge=0, le=20, description="Report each token, and this many likeliest ones at its place.")

    @property
    def likeliest(self) -> int | None:
        """How many of the likeliest tokens are reported; None reports nothing."""
        return self.logprobs

    @property
    def most(self) -> int:
        """The most tokens."""
        return COMPLETION_TOKENS if self.max_tokens is None else self.max_tokens
