"""The interface of samplers, which draw objective weights or betas, and lay out grids of them."""

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
        """`[n, size]`, the same on every call; n is `points` if a grid of that many exists."""
        ...


@runtime_checkable
class AdaptiveSampler(Sampler, Protocol):
    """A sampler of weights whose draws follow the values that the policy reaches; it can draw before it has any."""

    def watched_weights(self) -> Tensor:
        """`[n, m]`, the weights at which it wants the values of the policy; the same on every call."""
        ...

    def observe(self, values: Tensor) -> None:
        """Takes the values of the policy on the validation split; draws nothing.

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
    """What an adaptive sampler needs during a job.

    Args:
        sampler: is given values after every evaluation.
        measure: values `[n, m]` of the policy at weights `[n, m]`.
    """

    sampler: AdaptiveSampler
    measure: Callable[[Tensor], Tensor]
