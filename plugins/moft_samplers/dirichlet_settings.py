"""What the samplers `dirichlet` and `sobol` share: settings, their checks, and the grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import Fraction, Positive
from moft_samplers.simplex_grid import simplex_grid


class DirichletBase(ABC):
    """Draws from a Dirichlet distribution, with a share of the draws on vertices and edges; a subclass says how it draws."""

    name: ClassVar[str]
    """The registered name, for messages."""

    def __init__(
        self, size: int, *, alpha: Positive | list[Positive] = 1.0, vertices: Fraction = 0.0, edges: Fraction = 0.0
    ) -> None:
        """Checks the settings.

        Args:
            size: number of entries of a vector.
            alpha: concentration, > 0, one for all entries or one for each. Larger values draw closer to the mean, smaller ones
                closer to the vertices; 1 is uniform on the simplex.
            vertices: share of draws, 0 to 1, that are a vertex, each equally likely. A larger value learns single objectives
                better.
            edges: share of draws, 0 to 1, that are uniform on an edge, each edge equally likely. `vertices + edges` is at most 1.

        Raises:
            ConfigError: `alpha` has another length than the vector, the shares exceed 1, or there are `edges` for one entry.
        """
        alphas = alpha if isinstance(alpha, list) else [alpha] * size
        if len(alphas) != size:
            raise ConfigError(f"[sampler] {self.name!r}: alpha has {len(alphas)} entries; give one number or {size} of them.")
        if vertices + edges > 1:
            raise ConfigError(f"[sampler] {self.name!r}: vertices + edges must be at most 1, got {vertices} + {edges}.")
        if edges > 0 and size < 2:
            raise ConfigError(f"[sampler] {self.name!r}: a single objective has no edges, got edges={edges}; leave it at 0.")
        self._size, self._vertices, self._edges = size, vertices, edges
        self._alpha = torch.tensor(alphas, dtype=torch.float64)  # [size]

    @abstractmethod
    def draw(self, count: int, generator: Generator) -> Tensor:
        """`[count, size]` draws, as of any sampler."""

    def grid(self, points: int) -> Tensor:
        """`[points, size]`, well-spread points of the simplex, as of any sampler."""
        return simplex_grid(self._size, points)
