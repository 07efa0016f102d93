"""Annotations for settings, the keyword-only parameters of a component: their types, ranges and defaults.

The config is validated from the annotations. A setting that is itself a component is annotated with its interface
(`Loss`), or with `Factory[Interface]` if the engine supplies the arguments left of the star of its constructor.
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
MOST = 2**31 - 1
"""The largest integer that every library takes."""

Count = Annotated[int, Ge(1), Le(MOST)]
NonNegativeCount = Annotated[int, Ge(0), Le(MOST)]
Epochs = Annotated[int, Ge(1), Le(1_000_000)]
"""Passes over the data, or trees that are grown one after another."""
Draws = Annotated[int, Ge(1), Le(10_000)]
"""How often something is drawn for each item or list, which multiplies time and memory."""
Width = Annotated[int, Ge(1), Le(16_384)]
"""A hidden size of a network, or a number of trained tokens; a larger one is a mistake, and fills the memory."""
Layers = Annotated[int, Ge(1), Le(1_000)]
"""Layers of a network; more are a mistake, and take long to build."""
Rank = Annotated[int, Ge(1), Le(1_024)]
"""The rank of a product of two matrices."""
Seed = Annotated[int, Ge(0), Le(2**63 - 1)]
"""A random seed that every library takes and every file format holds."""


def _placed(value: str, info: ValidationInfo) -> str:
    """The path of a file or folder that exists, seen from the first of some folders that has it; any other value unchanged."""
    for home in (info.context or {}).get("homes", ()) if value.strip() else ():
        place = Path(home) / value
        try:
            if place.exists():
                return value if home == Path() else str(place)
        except (OSError, ValueError):  # a text that cannot be a path
            return value
    return value


PathOrName = Annotated[str, AfterValidator(_placed)]
"""A file or folder, or a name such as one on a hub; an opened run finds it also where the run began, or beside the run."""

Factory = Callable[..., T]
"""A component without the arguments that the engine supplies; called with them, it builds the component."""


@dataclass(frozen=True)
class Default:
    """The component that a setting takes if the config does not name one: `Annotated[Loss, Default("listnet")]`.

    Args:
        name: the component's registered name.
        settings: its settings, as the config file would give them.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FromList:
    """The component that a list in the config stands for: `Annotated[Conditioner, FromList("mix", "parts")]`.

    Args:
        name: the component's registered name.
        setting: its setting that takes the list.
    """

    name: str
    setting: str
