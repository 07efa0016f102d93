"""Annotations for settings: what stands right of the star in a builder's signature is the config schema.

A setting's annotation says its type and range, and the config is validated from it. A setting that is
itself a component is annotated with the component's interface (`Loss`), or with `Factory[Interface]`
where the engine supplies what stands left of the component's own star.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, ValidationInfo

T = TypeVar("T")

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Count = Annotated[int, Ge(1)]
NonNegativeCount = Annotated[int, Ge(0)]


def _placed(value: str, info: ValidationInfo) -> str:
    """The whole path of what lies there from the folder that the run began in; else as it was."""
    home = (info.context or {}).get("home")
    if home is None or not value.strip():
        return value
    place = Path(home) / value
    try:
        return str(place) if place.exists() else value
    except (OSError, ValueError):  # a text that can be no path
        return value


PathOrName = Annotated[str, AfterValidator(_placed)]
"""A file or folder, or a name such as one on a hub; a run that is opened finds it from the folder that it began in."""

Factory = Callable[..., T]
"""A component whose engine-supplied arguments are still missing: called with them, it builds the component."""


@dataclass(frozen=True)
class Default:
    """The component that a setting takes when the config names none: `Annotated[Loss, Default("listnet")]`.

    Args:
        name: the component's registered name.
        settings: its settings, as the config file would give them.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FromList:
    """The component that a list stands for, where one is asked for: `Annotated[Conditioner, Several("mix", "parts")]`.

    Args:
        name: the component's registered name.
        setting: its setting that takes the list.
    """

    name: str
    setting: str
