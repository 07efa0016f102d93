"""The sampler `dirichlet`: independent Dirichlet draws, with a share of them on the vertices and edges of the simplex."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft_samplers.dirichlet_settings import DirichletBase


class Dirichlet(DirichletBase):
    """Draws from a Dirichlet distribution, which never draws a vertex or an edge; shares of the draws can be put there.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, equation 12; the shares on vertices and edges are not the paper's.
    """

    name = "dirichlet"

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

    def _interior(self, count: int, generator: Generator) -> Tensor:
        """`[count, size]` Dirichlet draws, as normalised gammas whose logarithms never underflow."""
        alpha = self._alpha.to(generator.device).expand(count, -1)
        larger = torch._standard_gamma(alpha + 1, generator=generator)
        uniform = torch.rand(alpha.shape, generator=generator, device=generator.device, dtype=torch.float64)
        # gamma(alpha) is gamma(alpha + 1) times u^(1 / alpha)
        logs = larger.log() + (1 - uniform).log() / alpha
        return logs.softmax(-1)
