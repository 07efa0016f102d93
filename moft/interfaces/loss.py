"""The interface of losses: the cost of one list for one objective."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Loss(Protocol):
    """The cost of one list for one objective, from rewards: beta x (score - reference)."""

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Cost of each list.

        Args:
            rewards: `[..., list]`.
            labels: `[..., list]`, larger is better.
            mask: `[..., list]` bool, True where the item counts.

        Returns: `[...]`; exactly zero, without gradient, for a list without information, such as one of equal labels.
        """
        ...


@runtime_checkable
class HasDerivatives(Protocol):
    """A loss with closed forms of its derivatives, for methods that need second ones; autograd is slow at these."""

    def derivatives(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cost of each list, and the first and second derivative of this cost in the reward of each item.

        Args:
            rewards: `[..., list]`.
            labels: `[..., list]`, larger is better.
            mask: `[..., list]` bool, True where the item counts.

        Returns: `[...]`, `[..., list]` and `[..., list]`, without gradient; as autograd gives them, so that what the loss takes
            for constant is constant.
        """
        ...
