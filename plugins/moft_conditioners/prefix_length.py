"""Checks that a prefix leaves a model enough positions for the text."""

from __future__ import annotations

from moft import ConfigError
from moft.api import ModelSpec


def check_prefix_length(spec: ModelSpec, tokens: int, name: str) -> None:
    """Checks that a model has space for a prefix of `tokens`.

    Args:
        spec: of the model.
        tokens: length of the prefix.
        name: the conditioner's registered name, for the message.

    Raises:
        ConfigError: the prefix is too long.
    """
    if spec.max_prefix is not None and tokens > spec.max_prefix:
        raise ConfigError(
            f"{name!r} puts {tokens} tokens before the text, but {spec.name} has space for {spec.max_prefix}; set fewer tokens, "
            "or a smaller task.max_length."
        )
