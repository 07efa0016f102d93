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
