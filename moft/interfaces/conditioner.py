"""The interface of conditioners, which turn a tradeoff into an injection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from moft.errors import ConfigError
from moft.types import Injection, Slot


class Conditioner(nn.Module, ABC):
    """Turns a tradeoff into an injection; never touches a model. Built with a `ModelSpec` left of its star."""

    slots: frozenset[Slot]
    """The slots of an injection that it fills."""

    per_row: bool = True
    """False if it serves only one tradeoff at a time; a batch then takes one pass for each of its tradeoffs, which is slower."""

    @abstractmethod
    def forward(self, vector: Tensor) -> Injection:
        """The injection for each row of `vector`, `[batch, tradeoff_size]`; batch is 1 where `per_row` is False."""


@runtime_checkable
class HasFormula(Protocol):
    """A conditioner that an export can write down, to be computed where moft is not."""

    def formula(self) -> Mapping[str, Any]:
        """What its `state_dict` is computed with, as JSON: `kind`, and the settings that the shapes of the tensors do not tell.

        Raises:
            ConfigError: a part of it has no formula.
        """
        ...


def formula_of(conditioner: object) -> Mapping[str, Any]:
    """The formula of a conditioner.

    Raises:
        ConfigError: it has none, or a part of it has none.
    """
    if not isinstance(conditioner, HasFormula):
        raise ConfigError(f"the conditioner {type(conditioner).__name__} has no formula that an export could write down.")
    return conditioner.formula()
