"""A sampler of independent entries whose logarithms are uniform."""

from __future__ import annotations

from math import isfinite, log

import torch
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import Positive

_EXTREME = 1e12  # beyond it, or below its inverse, a beta leaves nothing that 32 bits can hold


class LogUniform:
    """Draws each entry by itself between two bounds, every factor as likely as every other; for betas.

    The grid is the lattice of equal factors: each entry takes the same k values from `low` to `high`, with the largest k for
    which all combinations are at most the points asked for. Where not even the two bounds fit, it is the geometric middle alone.

    Args:
        size: number of entries of a vector.
        low: smallest value of an entry, > 0.
        high: largest value, > low. A larger factor between the two makes more unequal entries.

    Raises:
        ConfigError: low is not below high, or one of them is beyond what 32 bits hold.
    """

    def __init__(self, size: int, *, low: Positive, high: Positive) -> None:
        if not low < high:
            raise ConfigError(f"[sampler] 'log-uniform' needs low < high, got low={low:g}, high={high:g}.")
        if not (low >= 1 / _EXTREME and high <= _EXTREME and isfinite(high)):
            raise ConfigError(
                f"[sampler] 'log-uniform': low and high must be between {1 / _EXTREME:g} and {_EXTREME:g}, "
                f"got low={low:g}, high={high:g}."
            )
        self._size = size
        self._low, self._high = low, high

    def draw(self, count: int, generator: Generator) -> Tensor:
        uniform = torch.rand(count, self._size, generator=generator, device=generator.device, dtype=torch.float64)
        return self._at(uniform)

    def grid(self, points: int) -> Tensor:
        levels = 1
        while (levels + 1) ** self._size <= points:
            levels += 1
        steps = torch.linspace(0, 1, levels, dtype=torch.float64) if levels > 1 else torch.full((1,), 0.5, dtype=torch.float64)
        return self._at(torch.cartesian_prod(*[steps] * self._size).reshape(-1, self._size))

    def _at(self, places: Tensor) -> Tensor:
        """The values at `places` from 0 to 1, same shape, float32."""
        low, high = log(self._low), log(self._high)
        return (low + places * (high - low)).exp().clamp(self._low, self._high).float()
