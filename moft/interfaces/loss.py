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
