"""The sampler `log-uniform`: independent entries with uniform logarithms, for betas."""

from __future__ import annotations

from math import isfinite, log

import torch
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import Positive

_EXTREME = 1e12  # a beta above this, or below its inverse, makes losses that float32 cannot represent


class LogUniform:
    """Draws every entry independently, with a logarithm that is uniform between those of two bounds; for betas.

    The grid is a lattice: each entry takes the same k values from `low` to `high`, spaced by equal factors, with the largest k
    for which there are at most as many combinations as points requested. If that is one, it is the geometric mean of the bounds.

    Args:
        size: number of entries of a vector.
        low: smallest value of an entry, > 0.
        high: largest value, > low. A larger ratio of the two draws more unequal entries.

    Raises:
        ConfigError: low is not below high, or one of them is outside 1e-12 to 1e12.
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

    def _at(self, quantiles: Tensor) -> Tensor:
        """The values at `quantiles`, 0 to 1, same shape, float32."""
        low, high = log(self._low), log(self._high)
        return (low + quantiles * (high - low)).exp().clamp(self._low, self._high).float()
