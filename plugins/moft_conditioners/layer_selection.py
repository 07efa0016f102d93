"""Which layers of a model a conditioner changes."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from moft import ConfigError
from moft.api import ModelSpec

_SHOWN = 12


def chosen_layers(spec: ModelSpec, known: Mapping[str, object], wanted: list[str] | None, name: str) -> tuple[str, ...]:
    """The layers of `known` that a user asks for, in the model's order.

    Args:
        spec: of the model.
        known: layers that can be changed.
        wanted: names, in which `*`, `?` and `[...]` stand for others as in file names; None for every layer.
        name: the conditioner's registered name, for messages.

    Raises:
        ConfigError: one of them fits no layer, or the list is empty.
    """
    if wanted is None:
        return tuple(known)
    for pattern in wanted:
        if not any(fnmatchcase(layer, pattern) for layer in known):
            raise ConfigError(f"{name!r}: layers: {pattern!r} is no layer of {spec.name}. There are: {shown(known)}.")
    if not wanted:
        raise ConfigError(f"{name!r}: layers must name at least one. {spec.name} has: {shown(known)}.")
    return tuple(layer for layer in known if any(fnmatchcase(layer, pattern) for pattern in wanted))


def shown(layers: Mapping[str, object]) -> str:
    """Names of layers, short enough for a message."""
    names = list(layers)
    return ", ".join(names if len(names) <= _SHOWN else [*names[: _SHOWN - 1], f"... ({len(names)} in all)"])
