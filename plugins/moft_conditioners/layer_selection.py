"""Selects the layers of a model that a conditioner changes, by patterns of names."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from moft import ConfigError
from moft.api import ModelSpec

_MAX_LISTED = 12


def chosen_layers(spec: ModelSpec, known: Mapping[str, object], patterns: list[str] | None, name: str) -> tuple[str, ...]:
    """The layers of `known` that match a pattern, in the model's order.

    Args:
        spec: of the model.
        known: layers that can be changed.
        patterns: names with the wildcards `*`, `?` and `[...]`, as for file names; None for every layer.
        name: the conditioner's registered name, for messages.

    Raises:
        ConfigError: a pattern matches no layer, or there is no pattern.
    """
    if patterns is None:
        return tuple(known)
    for pattern in patterns:
        if not any(fnmatchcase(layer, pattern) for layer in known):
            raise ConfigError(f"{name!r}: layers: {pattern!r} matches no layer of {spec.name}. It has: {listed(known)}.")
    if not patterns:
        raise ConfigError(f"{name!r}: layers must name at least one. {spec.name} has: {listed(known)}.")
    return tuple(layer for layer in known if any(fnmatchcase(layer, pattern) for pattern in patterns))


def listed(layers: Mapping[str, object]) -> str:
    """Names of layers, short enough for a message."""
    names = list(layers)
    return ", ".join(names if len(names) <= _MAX_LISTED else [*names[: _MAX_LISTED - 1], f"... ({len(names)} in all)"])
