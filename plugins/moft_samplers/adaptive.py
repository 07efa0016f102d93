"""Weights drawn more often where the front has gaps, or where the policy does not follow them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import AdaptiveSampler, Default, Factory, Fraction, Sampler

_CANDIDATES = 8  # plain draws that each adapted one is chosen from: the most by which a region's share can grow


class Adaptive:
    """Plain draws, of which those are preferred that lie where the policy has most to learn; a share stays plain.

    After each evaluation the policy is measured at some watched weights. Every two neighbours of them are compared, and what they
    score is shared between both. An adapted draw is one of eight plain draws, each as likely as the watched weights nearest to it
    score. Before the first evaluation, and where nothing scores, all draws are plain. Values are in units of their range, so no
    objective counts more for its scale.

    Args:
        size: number of entries of a vector.
        base: sampler of the plain draws.
        toward: `gaps` prefers neighbours whose values lie far apart, so that the front fills evenly; `ignored` those whose values
            follow the change of weights least, or go against it.
        floor: share of draws, 0 to 1, that stay plain, so that every region keeps at least this share of what it had.
        watched: number of watched weights, 2 to 200, the base sampler's grid of so many; null for 2 m + 5. More see finer, and
            each costs a pass over the validation split at every evaluation.

    Raises:
        ConfigError: `base` is itself adaptive, or has no grid of two points or more.

    Source: refining where neighbours on the front are far apart is Kim and de Weck 2005 (adaptive weighted sum), for draws in
        place of single solves; `ignored` measures how far a policy is from what optimal points of a weighted sum obey, that
        values change along with weights. Choosing from candidates is sampling-importance-resampling, Rubin 1987.
    """

    def __init__(
        self,
        size: int,
        *,
        base: Annotated[Factory[Sampler], Default("dirichlet", {"vertices": 0.3})],
        toward: Literal["gaps", "ignored"] = "gaps",
        floor: Fraction = 0.3,
        watched: Annotated[int, Ge(2), Le(200)] | None = None,
    ) -> None:
        self._base = base(size)
        if isinstance(self._base, AdaptiveSampler):
            raise ConfigError("[sampler] 'adaptive': base is adaptive itself; take a plain sampler, such as dirichlet.")
        self._toward, self._floor = toward, floor
        self._watched = self._base.grid(watched or 2 * size + 5).float()
        if size > 1 and len(self._watched) < 2:
            raise ConfigError("[sampler] 'adaptive': base has a grid of one point, and there are no two to compare.")
        self._scores: Tensor | None = None  # [n], of the watched weights

    def draw(self, count: int, generator: Generator) -> Tensor:
        if self._scores is None or not self._scores.any():
            return self._base.draw(count, generator)
        drawn = self._base.draw(count * _CANDIDATES, generator)
        candidates = drawn.reshape(_CANDIDATES, count, -1).transpose(0, 1)  # [count, candidates, size]
        nearest = torch.cdist(candidates, self._watched.to(candidates)).argmin(-1)  # [count, candidates]
        scores = self._scores.to(candidates.device)[nearest]
        scores = torch.where(scores.sum(-1, keepdim=True) > 0, scores, torch.ones_like(scores))
        chosen = torch.multinomial(scores, 1, generator=generator)  # [count, 1]
        is_plain = torch.rand(count, 1, generator=generator, device=generator.device) < self._floor
        chosen = torch.where(is_plain, torch.zeros_like(chosen), chosen)
        return candidates.gather(1, chosen.unsqueeze(-1).expand(-1, -1, candidates.shape[-1])).squeeze(1)

    def grid(self, points: int) -> Tensor:
        return self._base.grid(points)

    def watched_weights(self) -> Tensor:
        return self._watched.clone()

    def observe(self, values: Tensor) -> None:
        self._scores = scores_of(self._watched, values, self._toward)

    def state(self) -> Mapping[str, Tensor]:
        return {} if self._scores is None else {"scores": self._scores.clone()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._scores = state["scores"].clone() if "scores" in state else None


def scores_of(weights: Tensor, values: Tensor, toward: Literal["gaps", "ignored"]) -> Tensor:
    """How much more is to be learned at each of some weights than at others.

    Args:
        weights: `[n, size]`.
        values: `[n, m]`, what is reached there; larger is better, NaN where nothing was measured.
        toward: what counts: distances of neighbours, or how little values follow weights.

    Returns: `[n]` float64, >= 0: the mean over a point's neighbours. All zero when no value differs from another.
    """
    lowest, highest = (values.double().nan_to_num(nan=fill) for fill in (torch.inf, -torch.inf))
    span = (highest.amax(0) - lowest.amin(0)).clamp(min=0)  # [m], 0 also where an objective was never measured
    scaled = (values.double() / span).where(span > 0, 0.0)  # [n, m]
    if not span.any():
        return torch.zeros(len(weights), dtype=torch.float64)
    first, second = neighbours(weights)
    change = (scaled[second] - scaled[first]).nan_to_num()  # [pairs, m]
    asked = (weights[second] - weights[first]).double()
    if toward == "gaps":
        scores = change.norm(dim=-1)
    else:
        along = (change * asked).sum(-1) / asked.norm(dim=-1)
        scores = (-along / along.abs().mean().clamp(min=torch.finfo(along.dtype).tiny)).exp()
    total, count = (torch.zeros(len(weights), dtype=torch.float64) for _ in range(2))
    for ends in (first, second):
        total.index_add_(0, ends, scores)
        count.index_add_(0, ends, torch.ones_like(scores))
    return total / count.clamp(min=1)


def neighbours(weights: Tensor) -> tuple[Tensor, Tensor]:
    """`[pairs]` rows of the first, and of the second, of two points `[n, size]` with no other one in the ball between them.

    Every point is in a pair, and the pairs hang together.

    Source: the graph of Gabriel and Sokal 1969.
    """
    squared = torch.cdist(weights.double(), weights.double()) ** 2  # [n, n]
    around = (squared.unsqueeze(1) + squared.unsqueeze(0)).clone()  # [n, n, n]: from the first and from the second to a third
    own = torch.arange(len(weights))
    around[own, :, own] = torch.inf
    around[:, own, own] = torch.inf
    is_pair = around.amin(-1) >= squared - 1e-9
    first, second = torch.triu(is_pair, diagonal=1).nonzero(as_tuple=True)
    return first, second
