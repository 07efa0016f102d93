"""The interface of models, which score the items of lists and read an injection."""

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
    """False if `torch.func` cannot stack passes of several such models; they then run one after another."""

    @abstractmethod
    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        """`[batch, list]`: scores, or corrections to the reference where `spec.is_correction`."""

    def blocks(self) -> Sequence[nn.Module]:
        """Modules that are called one after another; of a sharded model, only one of them is gathered at a time.

        Weights outside of them are gathered for the whole pass. Every process calls each of them equally often.
        """
        return ()

    def opened(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `act`, which calls parts of the model directly; a sharded model is gathered meanwhile.

        Tensors in the result must not share memory with weights.
        """
        return act(*args, **kwargs)
