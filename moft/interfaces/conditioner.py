"""What a conditioner does: it turns a tradeoff into an injection."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from moft.types import Injection, Slot


class Conditioner(nn.Module, ABC):
    """Turns a tradeoff into an injection; never touches a model. Built with a `ModelSpec` left of its star."""

    slots: frozenset[Slot]
    """The slots of an injection that it fills."""

    per_row: bool = True
    """False when it serves one tradeoff at a time only; rows of a batch are then taken apart by tradeoff, which is slower."""

    @abstractmethod
    def forward(self, vector: Tensor) -> Injection:
        """The injection for each row of `vector`, `[batch, tradeoff_size]`; batch is 1 where `per_row` is False."""
