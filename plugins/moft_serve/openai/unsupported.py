"""Fields of OpenAI's API that are refused by name, and the values of them that ask for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moft_serve.http.errors import ApiError

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "function_call": ("none",),
    "functions": ([],),
    "metadata": ({},),
    "modalities": (["text"],),
    "moderation": (),
    "parallel_tool_calls": (),
    "prediction": (),
    "prompt_cache_key": (),
    "prompt_cache_options": (),
    "prompt_cache_retention": (),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "safety_identifier": (),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "suffix": ("",),
    "tool_choice": ("none",),
    "tools": ([],),
    "user": (),
    "verbosity": (),
    "web_search_options": (),
}
"""By name; null asks for nothing, too."""


def without_unsupported(fields: object) -> object:
    """The fields of a request without those that ask for nothing.

    Raises:
        ApiError: one asks for something that is not supported.
    """
    if not isinstance(fields, Mapping):
        return fields
    for name, neutral in _NEUTRAL.items():
        if fields.get(name) is not None and not any(type(fields[name]) is type(one) and fields[name] == one for one in neutral):
            raise ApiError(
                400, f"{name}: is not supported by this server; leave it out.", param=name, code="unsupported_parameter"
            )
    return {name: value for name, value in fields.items() if name not in _NEUTRAL}
