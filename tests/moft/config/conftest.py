"""A plugin whose components use every kind of setting."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import annotated_types
import pytest

from moft import Component, ConfigError, hookimpl
from moft.api import Conditioner, Count, Default, Factory, Fraction, FromList, Loss, ModelSpec, Positive, Sampler
from moft.config.build_component import resolve
from moft.hooks.plugin_manager import Plugins


class Square:
    """Squares.

    Args:
        power: what rewards are raised to; larger punishes
            outliers more.
        target: how labels are normalised.
    """

    def __init__(self, *, power: Positive = 2.0, target: Literal["softmax", "sum"] = "softmax") -> None:
        self.power, self.target = power, target

    def __call__(self, rewards: Any, labels: Any, mask: Any) -> Any:
        return rewards


class Plain(Loss):
    """A loss that sets nothing and has no constructor."""

    def __call__(self, rewards: Any, labels: Any, mask: Any) -> Any:
        return rewards


class Simplex:
    """Draws.

    Args:
        share: of draws on the vertices.
    """

    def __init__(self, size: int, *, share: Fraction = 0.0, low: float = 0.1, high: float = 1.0) -> None:
        if low >= high:
            raise ConfigError(f"'simplex' needs low < high, got low={low}, high={high}.")
        self.size, self.share = size, share


class Film:
    def __init__(self, spec: ModelSpec, *, width: Count = 32, inner: Factory[Conditioner] | None = None) -> None:
        self.spec, self.width, self.inner = spec, width, inner


class Both:
    def __init__(self, spec: ModelSpec, *, parts: Annotated[list[Factory[Conditioner]], annotated_types.Len(1, 3)]) -> None:
        self.parts = [part(spec) for part in parts]


class Told:
    def __init__(
        self, *, conditioner: Annotated[Factory[Conditioner] | None, Default("film"), FromList("both", "parts")]
    ) -> None:
        self.conditioner = conditioner


class Weighted:
    def __init__(self, *, losses: list[Loss]) -> None:
        self.losses = losses


def summed(*, scale: Positive = 1.0) -> Any:
    """A scalarizer from a function."""
    return lambda losses, weights: scale * (losses * weights).sum(-1)


class Dividing:
    def __init__(self, *, by: int = 1) -> None:
        self.value = 1 / by


class Reading:
    def __init__(self, *, path: Path) -> None:
        self.text = path.read_text()


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Column:
    """A label column.

    Args:
        column: its number.
        beta: beta, > 0.
        loss: its own loss.
    """

    column: Count
    beta: Positive = 1.0
    loss: Loss | None = None


@dataclass(frozen=True)
class Neural:
    epochs: Count = 5
    loss: Annotated[Loss, Default("square")] = field(kw_only=True)
    name: Literal["neural"] = "neural"


@dataclass(frozen=True)
class Scores:
    column: Count
    name: Literal["scores"] = "scores"


class Method:
    def __init__(
        self,
        *,
        sampler: Annotated[Factory[Sampler], Default("simplex", {"share": 0.25})],
        conditioner: Annotated[Factory[Conditioner] | None, Default("film")],
        loss: Annotated[Loss, Default("square")],
        draws: Count = 1,
    ) -> None:
        self.sampler, self.conditioner, self.loss, self.draws = sampler, conditioner, loss, draws


@dataclass(frozen=True)
class Everything:
    method: Loss
    objectives: Annotated[dict[str, Column], annotated_types.MinLen(1)]
    base: Annotated[Neural | Scores, Default("neural")]
    losses: list[Loss] = field(default_factory=lambda: ["square"])
    pair: tuple[Column, ...] = ()
    main: Column | None = Column(7)
    steps: list[Count] = field(default_factory=list)
    folder: Path = Path("runs")
    colour: Colour = Colour.RED
    rate: Positive | Literal["auto"] = "auto"
    beta: Factory[Sampler] | Positive = 1.0
    anything: Any = None


class Offers:
    @hookimpl
    def moft_losses(self):
        yield Component("square", Square, "the square")
        yield Component("plain", Plain)
        yield Component("weighted", Weighted)
        yield Component("dividing", Dividing)
        yield Component("reading", Reading)
        yield Component("gone", "no_such_module:Loss")

    @hookimpl
    def moft_samplers(self):
        yield Component("simplex", Simplex, "the simplex")

    @hookimpl
    def moft_conditioners(self):
        yield Component("film", Film)
        yield Component("both", Both)

    @hookimpl
    def moft_scalarizers(self):
        yield Component("summed", summed)

    @hookimpl
    def moft_methods(self):
        yield Component("toy", Method, "a method")
        yield Component("told", Told)


@pytest.fixture
def plugins() -> Plugins:
    """A manager with the toys alone."""
    manager = Plugins()
    manager.register(Offers(), "toys")
    return manager


@pytest.fixture
def toys() -> ModuleType:
    """This module, for its classes."""
    return sys.modules[__name__]


@pytest.fixture
def mistakes(plugins):
    """The lines of the ConfigError that a value causes."""

    def of(annotation: Any, value: Any, path: str = "x") -> list[str]:
        with pytest.raises(ConfigError) as caught:
            resolve(annotation, value, plugins, path)
        return str(caught.value).splitlines()

    return of
