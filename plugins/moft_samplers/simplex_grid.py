"""Grids on the simplex: the lattice of equal steps, and a given number of well-spread points."""

from __future__ import annotations

from itertools import combinations
from math import comb

import torch
from torch import Tensor

from moft import ConfigError

_FINENESS = 4  # the lattice that a grid is chosen from has at least this many points for each point of the grid


def lattice_size(size: int, partitions: int) -> int:
    """The number of points of `simplex_lattice(size, partitions)`."""
    return comb(partitions + size - 1, size - 1)


def simplex_lattice(size: int, partitions: int) -> Tensor:
    """Every point of the simplex whose entries are multiples of 1 / partitions, from (1, 0, ...) to (0, ..., 1).

    Returns: `[n, size]`, float32.

    Source: Das and Dennis 1998.
    """
    places = partitions + size - 1
    chosen = list(combinations(range(places), size - 1))
    bars = torch.tensor(chosen, dtype=torch.int64).reshape(len(chosen), size - 1)
    ends = bars.new_tensor([[-1], [places]]).expand(2, len(bars)).unsqueeze(-1)  # [2, n, 1]
    steps = torch.cat([ends[0], bars, ends[1]], dim=1).diff(dim=1) - 1  # [n, size], stars between neighbouring bars
    return (steps.flip(0).double() / partitions).float()


def simplex_grid(size: int, points: int) -> Tensor:
    """`points` well-spread points of the simplex, the vertices among them; the same on every call.

    For one entry, the only point. For two, even steps from (1, 0) to (0, 1). For more, the vertices, the centroid, then
    repeatedly the point of a fine lattice that is farthest from those already chosen (the first of equals).

    Returns: `[points, size]`, float32; `[1, 1]` for one entry.

    Raises:
        ConfigError: fewer points than the vertices (and, for more than two entries, the centroid).

    Source: the farthest-point choice is Gonzalez 1985 (k-centre).
    """
    if size == 1:
        return torch.ones(1, 1)
    minimum = 2 if size == 2 else size + 1
    if points < minimum:
        raise ConfigError(f"a grid over {size} objectives needs at least {minimum} points (vertices and centroid), got {points}.")
    if size == 2:
        return simplex_lattice(2, points - 1)
    partitions = 1
    while lattice_size(size, partitions) < _FINENESS * points:
        partitions += 1
    lattice = simplex_lattice(size, partitions).double()
    chosen = torch.cat([torch.eye(size, dtype=torch.float64), torch.full((1, size), 1 / size, dtype=torch.float64)])
    nearest = torch.cdist(lattice, chosen).amin(1)  # [n]
    for _ in range(points - len(chosen)):
        farthest = int((nearest > nearest.max() - 1e-9).nonzero()[0])  # of equals up to rounding, the first
        chosen = torch.cat([chosen, lattice[farthest : farthest + 1]])
        nearest = torch.minimum(nearest, (lattice - lattice[farthest]).norm(dim=1))
    return chosen.float()
