"""Whether a prefix leaves room for text."""

from __future__ import annotations

from moft import ConfigError
from moft.api import ModelSpec


def check_prefix_length(spec: ModelSpec, tokens: int, name: str) -> None:
    """Nothing, when a model has room for a prefix of `tokens`.

    Args:
        spec: of the model.
        tokens: of the prefix.
        name: the conditioner's registered name, for the message.

    Raises:
        ConfigError: it has not.
    """
    if spec.max_prefix is not None and tokens > spec.max_prefix:
        raise ConfigError(
            f"{name!r} puts {tokens} tokens before the text, and {spec.name} has room for {spec.max_prefix}: fewer tokens, "
            "or a shorter task.max_length."
        )
