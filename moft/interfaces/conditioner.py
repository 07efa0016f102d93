"""The interface of conditioners, which turn a tradeoff into an injection."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

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
