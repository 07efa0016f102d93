"""The sampler `das-dennis`: draws from the evenly spaced points of the simplex."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import Count
from moft_samplers.simplex_grid import lattice_size, simplex_lattice

_MAX_POINTS = 1_000_000  # more would fill the memory before the first draw


class DasDennis:
    """Draws uniformly from the points of the simplex whose entries are multiples of 1 / partitions.

    The grid is the whole lattice; requesting fewer points is an error.

    Args:
        size: number of entries of a vector.
        partitions: steps from one vertex to another, >= 1. A larger value gives more points; with partitions >= size,
            some are inside the simplex.

    Raises:
        ConfigError: the lattice has more than a million points, or, from `grid`, more than are requested.

    Source: Das and Dennis 1998.
    """

    def __init__(self, size: int, *, partitions: Count) -> None:
        count = lattice_size(size, partitions)
        if count > _MAX_POINTS:
            raise ConfigError(
                f"[sampler] 'das-dennis': partitions={partitions} for {size} objectives makes {count} points; the limit is "
                f"{_MAX_POINTS}. Set fewer partitions."
            )
        self._partitions = partitions
        self._lattice = simplex_lattice(size, partitions)

    def draw(self, count: int, generator: Generator) -> Tensor:
        rows = torch.randint(len(self._lattice), (count,), generator=generator, device=generator.device)
        return self._lattice.to(generator.device)[rows]

    def grid(self, points: int) -> Tensor:
        if len(self._lattice) > points:
            raise ConfigError(
                f"[sampler] 'das-dennis': the grid with partitions={self._partitions} has {len(self._lattice)} points, but "
                f"{points} are requested; request {len(self._lattice)} or more, or set fewer partitions."
            )
        return self._lattice.clone()
