"""A sampler of the evenly spaced points of the simplex."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import Count
from moft_samplers.simplex_grid import lattice_size, simplex_lattice

_MOST = 1_000_000  # more would fill the memory before the first draw


class DasDennis:
    """Draws uniformly from the points of the simplex whose entries are multiples of 1 / partitions.

    The grid is the whole lattice, never a part of it: asked for fewer points than it has, it refuses.

    Args:
        size: number of entries of a vector.
        partitions: steps from one vertex to another, >= 1. A larger value gives more points, and with partitions >= size
            also some inside the simplex.

    Raises:
        ConfigError: the lattice has more than a million points, or, from `grid`, more than are asked for.

    Source: Das and Dennis 1998.
    """

    def __init__(self, size: int, *, partitions: Count) -> None:
        count = lattice_size(size, partitions)
        if count > _MOST:
            raise ConfigError(
                f"[sampler] 'das-dennis': partitions={partitions} for {size} objectives makes {count} points, at most {_MOST}."
            )
        self._partitions = partitions
        self._lattice = simplex_lattice(size, partitions)

    def draw(self, count: int, generator: Generator) -> Tensor:
        rows = torch.randint(len(self._lattice), (count,), generator=generator, device=generator.device)
        return self._lattice.to(generator.device)[rows]

    def grid(self, points: int) -> Tensor:
        if len(self._lattice) > points:
            raise ConfigError(
                f"[sampler] 'das-dennis': its grid of partitions={self._partitions} has {len(self._lattice)} points, "
                f"asked for {points}: ask for {len(self._lattice)} or more, or set fewer partitions."
            )
        return self._lattice.clone()
