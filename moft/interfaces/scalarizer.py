"""The interface of scalarizers, which make one number of the losses of all objectives."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Scalarizer(Protocol):
    """Makes one number of the losses of all objectives."""

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        """Scalarised loss of each row.

        Args:
            losses: `[batch, m]`.
            weights: `[batch, m]`, on the simplex.

        Returns: `[batch]`.
        """
        ...


@runtime_checkable
class WeightedSum(Protocol):
    """A scalarizer that is a sum of the losses, each times a share that is known from the weights alone.

    A scalarizer need not be one. Of one that is, objectives whose share is zero are not computed where that saves time.
    """

    def loss_shares(self, weights: Tensor) -> Tensor:
        """The derivative of the scalarised loss in each loss, whatever the losses are.

        Args:
            weights: `[batch, m]`, on the simplex.

        Returns: `[batch, m]`, 0 or more.
        """
        ...
