"""The sampler `adaptive`: draws weights more often where the front has gaps, or where the policy does not follow the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import AdaptiveSampler, Default, Factory, Fraction, Sampler

_CANDIDATES = 8  # base draws that an adapted draw is chosen from: a region's share can grow by at most this factor


class Adaptive:
    """Draws of a base sampler, resampled in favour of regions where the policy has most to learn.

    After each evaluation, the policy is measured at the watched weights. Each pair of neighbouring watched weights gets a score,
    and a watched weight gets the mean score of its pairs. An adapted draw is chosen from eight base draws, with probabilities
    proportional to the score of the nearest watched weight. Before the first evaluation, and if all scores are zero, the base
    draws are used as they are. Values are divided by their range, so the scales of objectives do not matter.

    Args:
        size: number of entries of a vector.
        base: sampler of the base draws.
        toward: `gaps` scores neighbours by the distance of their values, so that the front fills evenly; `ignored` scores
            neighbours higher whose values follow the change of weights less, or go against it.
        floor: share of draws, 0 to 1, that are not adapted, so that every region keeps at least this share of its draws.
        watched: number of watched weights, 2 to 200, taken from the base sampler's grid; null for 2 m + 5. More weights resolve
            finer; each costs a pass over the validation split at every evaluation.

    Raises:
        ConfigError: `base` is itself adaptive, or its grid has fewer than two points.

    Source: refining where neighbours on the front are far apart is Kim and de Weck 2005 (adaptive weighted sum), here for draws
        instead of single solves; `ignored` measures the violation of a property of optimal points of a weighted sum, that
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
            raise ConfigError("[sampler] 'adaptive': base is adaptive itself; use another sampler, such as dirichlet.")
        self._toward, self._floor = toward, floor
        self._watched = self._base.grid(watched or 2 * size + 5).float()
        if size > 1 and len(self._watched) < 2:
            raise ConfigError("[sampler] 'adaptive': the grid of base has one point; it needs at least two to compare.")
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
        is_unadapted = torch.rand(count, 1, generator=generator, device=generator.device) < self._floor
        chosen = torch.where(is_unadapted, torch.zeros_like(chosen), chosen)
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
    """How much the policy has to learn at each of the watched weights.

    Args:
        weights: `[n, size]`.
        values: `[n, m]`, the values measured there; larger is better, NaN where nothing was measured.
        toward: score neighbours by the distance of their values, or by how little the values follow the weights.

    Returns: `[n]` float64, >= 0: the mean over a point's neighbours. All zero if all values are equal.
    """
    lowest, highest = (values.double().nan_to_num(nan=fill) for fill in (torch.inf, -torch.inf))
    span = (highest.amax(0) - lowest.amin(0)).clamp(min=0)  # [m], 0 also where an objective was never measured
    scaled = (values.double() / span).where(span > 0, 0.0)  # [n, m]
    if not span.any():
        return torch.zeros(len(weights), dtype=torch.float64)
    first, second = neighbours(weights)
    change = (scaled[second] - scaled[first]).nan_to_num()  # [pairs, m]
    step = (weights[second] - weights[first]).double()
    if toward == "gaps":
        scores = change.norm(dim=-1)
    else:
        along = (change * step).sum(-1) / step.norm(dim=-1)
        scores = (-along / along.abs().mean().clamp(min=torch.finfo(along.dtype).tiny)).exp()
    total, count = (torch.zeros(len(weights), dtype=torch.float64) for _ in range(2))
    for ends in (first, second):
        total.index_add_(0, ends, scores)
        count.index_add_(0, ends, torch.ones_like(scores))
    return total / count.clamp(min=1)


def neighbours(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Indices `[pairs]` of the first and of the second point of all neighbouring pairs of points `[n, size]`.

    Two points are neighbours if no third one is in the ball whose diameter they span. The graph of neighbours is connected.

    Source: the graph of Gabriel and Sokal 1969.
    """
    squared = torch.cdist(weights.double(), weights.double()) ** 2  # [n, n]
    detour = (squared.unsqueeze(1) + squared.unsqueeze(0)).clone()  # [n, n, n]: from the first and from the second to a third
    index = torch.arange(len(weights))
    detour[index, :, index] = torch.inf
    detour[:, index, index] = torch.inf
    is_pair = detour.amin(-1) >= squared - 1e-9
    first, second = torch.triu(is_pair, diagonal=1).nonzero(as_tuple=True)
    return first, second
