"""What a model does: it scores the items of lists and reads an injection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from torch import Tensor, nn

from moft.types import Injection, Inputs, ModelSpec

P = ParamSpec("P")


T = TypeVar("T")


class Model(nn.Module, ABC):
    """A network that scores the items of lists and reads the slots of an injection."""

    spec: ModelSpec

    is_stackable: bool = True
    """False when passes of several such models cannot be made one by `torch.func`; they are made one after another then."""

    @abstractmethod
    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        """`[batch, list]`: scores, or corrections to the reference where `spec.is_correction`."""

    def blocks(self) -> Sequence[nn.Module]:
        """Modules that are called one after another; where models are split over processes, only one of them is whole at a time.

        What is in none of them is whole while the model computes. Every process calls each of them equally often.
        """
        return ()

    def opened(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `act` gives, which calls parts of the model by themselves; where models are split, they are whole for that.

        Tensors that it gives must not share memory with weights.
        """
        return act(*args, **kwargs)
