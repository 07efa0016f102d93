"""Dirichlet draws that are spread evenly: scrambled Sobol points in place of independent ones."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Generator, Tensor

from moft.api import Fraction, Positive
from moft_samplers.dirichlet_settings import concentrations
from moft_samplers.simplex_grid import simplex_grid

_HALF = 2.0**-31  # of the distance between two of torch's Sobol points; keeps them off zero


class Sobol:
    """Dirichlet draws of which those of one batch are spread evenly; each by itself is distributed as one of `dirichlet`.

    A batch is a set of Sobol points, scrambled anew with a seed from the generator, so that means over draws are right and vary
    less than those of independent ones. The shares on vertices and edges are kept in each batch, but for rounding.

    Args:
        size: number of entries of a vector.
        alpha: concentration, > 0, one for all entries or one for each. Larger draws come closer to the mean, smaller ones
            closer to the vertices; 1 is uniform on the simplex.
        vertices: share of draws, 0 to 1, that are a vertex, each equally likely. A larger value learns single objectives better.
        edges: share of draws, 0 to 1, that are uniform on an edge, each edge equally likely. With `vertices` at most 1.

    Raises:
        ConfigError: `alpha` has another length than the vector, the shares exceed 1, or a single entry is to have edges.

    Source: points and scrambling (a random linear map and shift of their digits, Matousek 1998) are those of torch's
        `SobolEngine`; a Dirichlet vector as a chain of beta variables is Devroye 1986, chapter XI.4.
    """

    def __init__(
        self, size: int, *, alpha: Positive | list[Positive] = 1.0, vertices: Fraction = 0.0, edges: Fraction = 0.0
    ) -> None:
        self._size, self._vertices, self._edges = size, vertices, edges
        self._alpha = concentrations("sobol", size, alpha, vertices, edges)
        self._pairs = torch.tensor(list(combinations(range(size), 2)), dtype=torch.int64).reshape(-1, 2)

    def draw(self, count: int, generator: Generator) -> Tensor:
        seed = int(torch.randint(2**31 - 1, (1,), generator=generator, device=generator.device))
        engine = torch.quasirandom.SobolEngine(self._size, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        uniform = engine.draw(count, dtype=torch.float64) + _HALF  # [count, size], the last column says which kind
        drawn, kind = self._broken(uniform[:, :-1]), uniform[:, -1]
        if self._vertices > 0:
            vertex = torch.eye(self._size, dtype=torch.float64)[_places(kind, 0.0, self._vertices, self._size)]
            drawn = torch.where((kind < self._vertices).unsqueeze(-1), vertex, drawn)
        if self._edges > 0:
            ends = self._pairs[_places(kind, self._vertices, self._edges, len(self._pairs))]  # [count, 2]
            shares = torch.stack([uniform[:, 0], 1 - uniform[:, 0]], dim=-1)
            is_edge = (kind >= self._vertices) & (kind < self._vertices + self._edges)
            drawn = torch.where(is_edge.unsqueeze(-1), torch.zeros_like(drawn).scatter(1, ends, shares), drawn)
        return drawn.float().to(generator.device)

    def grid(self, points: int) -> Tensor:
        return simplex_grid(self._size, points)

    def _broken(self, uniform: Tensor) -> Tensor:
        """`[count, size]`, Dirichlet vectors from `[count, size - 1]` uniform numbers, entry by entry off what is left."""
        from scipy.special import betaincinv

        rest = self._alpha.flip(0).cumsum(0).flip(0)[1:]  # [size - 1], the concentration of what is left
        taken = torch.from_numpy(betaincinv(self._alpha[:-1].numpy(), rest.numpy(), uniform.numpy()))
        left = torch.cat([torch.ones(len(uniform), 1, dtype=torch.float64), (1 - taken).cumprod(-1)], dim=-1)
        return left * torch.cat([taken, torch.ones_like(left[:, :1])], dim=-1)


def _places(kind: Tensor, start: float, share: float, among: int) -> Tensor:
    """`[count]`, which of `among` equal parts of [start, start + share) a number lies in; the nearest for those outside."""
    return ((kind - start) / share * among).long().clamp(0, among - 1)
