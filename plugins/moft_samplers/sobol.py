"""The sampler `sobol`: Dirichlet draws from scrambled Sobol points, evenly spread within a batch."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Generator, Tensor

from moft_samplers.dirichlet_settings import DirichletBase

_HALF = 2.0**-31  # half the distance between two of torch's Sobol points; keeps them above zero


class Sobol(DirichletBase):
    """Dirichlet draws that are evenly spread within a batch; each draw alone has the distribution of `dirichlet`.

    A batch is a set of Sobol points, scrambled with a new seed from the generator. Means over draws are therefore unbiased, and
    vary less than those of independent draws. Each batch has the requested shares on vertices and edges, up to rounding.

    Source: points and scrambling (a random linear map and shift of their digits, Matousek 1998) are those of torch's
        `SobolEngine`; a Dirichlet vector as a chain of beta variables is Devroye 1986, chapter XI.4.
    """

    name = "sobol"

    def draw(self, count: int, generator: Generator) -> Tensor:
        seed = int(torch.randint(2**31 - 1, (1,), generator=generator, device=generator.device))
        engine = torch.quasirandom.SobolEngine(self._size, scramble=True, seed=seed)  # type: ignore[no-untyped-call]
        uniform = engine.draw(count, dtype=torch.float64) + _HALF  # [count, size]; the last column selects interior, vertex, edge
        drawn, kind = self._interior(uniform[:, :-1]), uniform[:, -1]
        if self._vertices > 0:
            vertex = torch.eye(self._size, dtype=torch.float64)[_bins(kind, 0.0, self._vertices, self._size)]
            drawn = torch.where((kind < self._vertices).unsqueeze(-1), vertex, drawn)
        if self._edges > 0:
            pairs = torch.tensor(list(combinations(range(self._size), 2)), dtype=torch.int64)
            ends = pairs[_bins(kind, self._vertices, self._edges, len(pairs))]  # [count, 2]
            shares = torch.stack([uniform[:, 0], 1 - uniform[:, 0]], dim=-1)
            is_edge = (kind >= self._vertices) & (kind < self._vertices + self._edges)
            drawn = torch.where(is_edge.unsqueeze(-1), torch.zeros_like(drawn).scatter(1, ends, shares), drawn)
        return drawn.float().to(generator.device)

    def _interior(self, uniform: Tensor) -> Tensor:
        """`[count, size]`, Dirichlet vectors from `[count, size - 1]` uniform numbers, by stick breaking."""
        from scipy.special import betaincinv

        rest = self._alpha.flip(0).cumsum(0).flip(0)[1:]  # [size - 1], concentration of the rest of the stick
        taken = torch.from_numpy(betaincinv(self._alpha[:-1].numpy(), rest.numpy(), uniform.numpy()))
        left = torch.cat([torch.ones(len(uniform), 1, dtype=torch.float64), (1 - taken).cumprod(-1)], dim=-1)
        return left * torch.cat([taken, torch.ones_like(left[:, :1])], dim=-1)


def _bins(kind: Tensor, start: float, share: float, count: int) -> Tensor:
    """`[draws]`, index of the part that a number is in, of `count` equal parts of [start, start + share); clamped outside."""
    return ((kind - start) / share * count).long().clamp(0, count - 1)
