"""Dirichlet draws, with a set share on the vertices and edges of the simplex."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft.api import Fraction, Positive
from moft_samplers.dirichlet_settings import concentrations
from moft_samplers.simplex_grid import simplex_grid


class Dirichlet:
    """Draws from a Dirichlet distribution; a share of the draws lies on vertices and edges, which it would never hit.

    Args:
        size: number of entries of a vector.
        alpha: concentration, > 0, one for all entries or one for each. Larger draws come closer to the mean, smaller ones
            closer to the vertices; 1 is uniform on the simplex.
        vertices: share of draws, 0 to 1, that are a vertex, each equally likely. A larger value learns single objectives better.
        edges: share of draws, 0 to 1, that are uniform on an edge, each edge equally likely. With `vertices` at most 1.

    Raises:
        ConfigError: `alpha` has another length than the vector, the shares exceed 1, or a single entry is to have edges.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, equation 12; the shares on vertices and edges are not the paper's.
    """

    def __init__(
        self, size: int, *, alpha: Positive | list[Positive] = 1.0, vertices: Fraction = 0.0, edges: Fraction = 0.0
    ) -> None:
        self._size = size
        self._alpha = concentrations("dirichlet", size, alpha, vertices, edges)
        self._vertices = vertices
        self._edges = edges

    def draw(self, count: int, generator: Generator) -> Tensor:
        drawn = self._interior(count, generator)
        if self._vertices + self._edges == 0:
            return drawn.float()
        kind = torch.rand(count, 1, generator=generator, device=generator.device, dtype=torch.float64)
        ends = torch.rand(count, self._size, generator=generator, device=generator.device).argsort(-1)  # [count, size]
        share = torch.rand(count, 1, generator=generator, device=generator.device, dtype=torch.float64)
        vertex = torch.zeros_like(drawn).scatter_(1, ends[:, :1], 1.0)
        drawn = torch.where(kind < self._vertices, vertex, drawn)
        if self._edges > 0:
            edge = (vertex * share).scatter_(1, ends[:, 1:2], 1 - share)
            drawn = torch.where((kind >= self._vertices) & (kind < self._vertices + self._edges), edge, drawn)
        return drawn.float()

    def grid(self, points: int) -> Tensor:
        return simplex_grid(self._size, points)

    def _interior(self, count: int, generator: Generator) -> Tensor:
        """`[count, size]` Dirichlet draws, as normalised gammas whose logarithms never underflow."""
        alpha = self._alpha.to(generator.device).expand(count, -1)
        larger = torch._standard_gamma(alpha + 1, generator=generator)
        uniform = torch.rand(alpha.shape, generator=generator, device=generator.device, dtype=torch.float64)
        # gamma(alpha) is gamma(alpha + 1) times u^(1 / alpha)
        logs = larger.log() + (1 - uniform).log() / alpha
        return logs.softmax(-1)
