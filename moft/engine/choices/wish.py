"""What a user wants of a policy: bounds on outcomes, and a goal among the tradeoffs that keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

Anchor = Literal["base", "best"]
"""What a relative bound is a share of: the value of the base model, or the best one that was measured."""


@dataclass(frozen=True)
class Bound:
    """The least mean of an outcome.

    Args:
        outcome: name of an objective, of the main objective, or of a further value of the evaluator.
        value: the least mean, or, with an anchor, the least share of the anchor's mean.
        anchor: of a relative bound.
    """

    outcome: str
    value: float
    anchor: Anchor | None = None

    def __str__(self) -> str:
        return f"{self.outcome} >= " + (f"{100 * self.value:g}% of {self.anchor}" if self.anchor else f"{self.value:g}")


class Goal(Protocol):
    """What is to be as large as the bounds allow."""

    def of(self, means: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """`[...]`, larger is better.

        Args:
            means: `[..., outcomes]`, in the order of the names.
            low: `[outcomes]`, lowest mean that was measured.
            high: `[outcomes]`, highest one.
        """
        ...


@dataclass(frozen=True)
class Maximise:
    """The mean of one outcome.

    Args:
        place: of the outcome among the names.
    """

    place: int

    def of(self, means: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return means[..., self.place]


@dataclass(frozen=True)
class Shares:
    """Each outcome's position in its reachable range, 0 at the lowest and 1 at the highest mean, in given proportions.

    The least quotient of position and share counts, so that no outcome is paid for by another one.

    Args:
        shares: by place of an outcome, above 0.
    """

    shares: Mapping[int, float]

    def of(self, means: Tensor, low: Tensor, high: Tensor) -> Tensor:
        position = (means - low) / _range(low, high)
        return torch.stack([position[..., place] / share for place, share in self.shares.items()]).amin(0)


@dataclass(frozen=True)
class Like:
    """The smallest distance to given means; the largest difference of an outcome counts, in shares of its reachable range.

    Args:
        means: by place of an outcome.
    """

    means: Mapping[int, float]

    def of(self, means: Tensor, low: Tensor, high: Tensor) -> Tensor:
        size = _range(low, high)
        return -torch.stack([(means[..., place] - mean).abs() / size[place] for place, mean in self.means.items()]).amax(0)


@dataclass(frozen=True)
class Wish:
    """Bounds, a goal, and how sure it is to be that all bounds hold.

    Args:
        bounds: on outcomes.
        goal: among the tradeoffs that keep them.
        confidence: probability that all bounds hold on new data, above 0 and below 1.
    """

    bounds: Sequence[Bound]
    goal: Goal
    confidence: float = 0.95
    words: Mapping[str, object] = field(default_factory=dict)
    """As the user put it, for records."""


def _range(low: Tensor, high: Tensor) -> Tensor:
    """`[outcomes]`; 1 where nothing was reached beside one value."""
    size = high - low
    return torch.where(size > 0, size, torch.ones_like(size))
