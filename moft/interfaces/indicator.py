"""The interface of indicators, which make one number of a front."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Indicator(Protocol):
    """Makes one number of a front."""

    name: str
    meaning: str
    """What the number says and in which unit, in one sentence; printed with it."""

    def __call__(self, points: Tensor, weights: Tensor) -> float:
        """The indicator's value.

        Args:
            points: `[n, m]`, larger is better.
            weights: `[n, m]`, the weights of each point.
        """
        ...
