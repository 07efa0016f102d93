"""The interface of losses: the cost of one list for one objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

        Returns: `[...]`; exactly zero, without gradient, for a list without information, such as one of equal labels, unless the
            loss asks for labels by item.
        """
        ...


@dataclass(frozen=True)
class Asks:
    """What a loss asks for beside rewards, labels and mask.

    Args:
        scores: True for the final scores.
        item_weights: True for the weights of items; a loss that does not ask for them cannot be used where there are some.
        attributes: names of the columns that it reads.
        by_item: True if labels say of each item by itself whether it is good, at 0.5 or more, or bad. Then lists of one item, or
            of equal labels, have a cost, too.
    """

    scores: bool = False
    item_weights: bool = False
    attributes: tuple[str, ...] = ()
    by_item: bool = False


@dataclass(frozen=True)
class ListContext:
    """What a loss gets that asks for it, each in the shape of the rewards, `[..., list]`.

    Args:
        scores: final scores, by which items are ranked: the reference plus the correction at the tradeoff's betas.
        attributes: columns of the items, by name.
        item_weights: how much each item's label counts, > 0; None where all count the same.
    """

    scores: Tensor
    attributes: Mapping[str, Tensor]
    item_weights: Tensor | None = None


@runtime_checkable
class ContextLoss(Protocol):
    """A loss that asks for more than rewards, labels and mask."""

    @property
    def asks(self) -> Asks:
        """What it asks for."""
        ...

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        """As for a loss. `context` is None where it asks for item weights alone, and there are none."""
        ...


@runtime_checkable
class HasDerivatives(Protocol):
    """A loss with closed forms of its derivatives, for methods that need second ones; autograd is slow at these."""

    def derivatives(
        self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cost of each list, and the first and second derivative of this cost in the reward of each item.

        Args:
            rewards: `[..., list]`.
            labels: `[..., list]`, larger is better.
            mask: `[..., list]` bool, True where the item counts.
            context: as for a call. Losses that ask for scores are differentiated by autograd.

        Returns: `[...]`, `[..., list]` and `[..., list]`, without gradient; as autograd gives them, so that what the loss takes
            for constant is constant.
        """
        ...


@runtime_checkable
class HasSumDerivatives(Protocol):
    """A loss with closed forms for a weighted sum over objectives with the same rewards, which are cheaper than one by one.

    It and `derivatives` compute pairs of items in blocks, so that many lists at once take no more memory than a few.
    """

    def sum_derivatives(self, rewards: Tensor, labels: Tensor, mask: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The sum over objectives of share times cost, and its first and second derivative in the reward of each item.

        Args:
            rewards: `[..., list]`, those of every objective.
            labels: `[..., m, list]`, larger is better. There may be fewer dimensions in front than for rewards.
            mask: `[..., list]` bool, True where the item counts, for every objective; dimensions as for labels.
            shares: `[..., m]`, 0 or more; an objective whose share is zero adds nothing.

        Returns: `[...]`, `[..., list]` and `[..., list]`, without gradient: the sums over `m` of what `derivatives` gives.
        """
        ...
