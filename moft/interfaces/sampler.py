"""What a sampler does: it draws objective weights or betas, and lays out grids of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor


@runtime_checkable
class Sampler(Protocol):
    """Draws vectors to train on (weights, or betas), and lays out grids of them to measure on."""

    def draw(self, count: int, generator: Generator) -> Tensor:
        """`[count, size]`, from `generator` alone, on its device."""
        ...

    def grid(self, points: int) -> Tensor:
        """`[n, size]`, the same on every call; n is `points` where the sampler's set allows it."""
        ...


@runtime_checkable
class AdaptiveSampler(Sampler, Protocol):
    """A sampler of weights whose draws follow what the policy reaches; it draws before it is told anything, too."""

    def watched_weights(self) -> Tensor:
        """`[n, m]`, the weights at which it wants to be told what the policy reaches; the same on every call."""
        ...

    def observe(self, values: Tensor) -> None:
        """Takes what the policy reaches on the validation split; draws nothing.

        Args:
            values: `[n, m]` on the CPU, a row for each of `watched_weights()`; larger is better, NaN where nothing was measured.
        """
        ...

    def state(self) -> Mapping[str, Tensor]:
        """What it has learned, on the CPU; kept in checkpoints."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes back a `state`: draws are then those of the sampler that gave it."""
        ...


@dataclass(frozen=True)
class Feedback:
    """What an adaptive sampler is told during a job.

    Args:
        sampler: is told after every evaluation.
        measure: weights `[n, m]` to the values `[n, m]` that the policy reaches there.
    """

    sampler: AdaptiveSampler
    measure: Callable[[Tensor], Tensor]
