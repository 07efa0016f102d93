"""Searches weights and dial for the tradeoff that fulfils a wish: measures, predicts, and measures where it looks best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft.engine.choices.selection import Candidates, Rule, Selected, rule_of, select
from moft.engine.choices.surrogate import OutcomeSurrogate, coordinates
from moft.engine.choices.wish import Wish

DRAWN = 4096
"""Tradeoffs whose outcomes are predicted to find those worth measuring."""
_NEAREST = 5
"""Measured tradeoffs that the standard deviations of another one are taken from."""
CLOSE = 0.02
"""Distance in weights, and in doublings of the dial, below which two tradeoffs are not both worth measuring."""


@dataclass(frozen=True)
class DialledWeights:
    """Weights and dials.

    Args:
        weights: `[n, m]`, each row on the simplex.
        dials: `[n]`, above 0.
    """

    weights: Tensor
    dials: Tensor

    def __len__(self) -> int:
        return len(self.dials)

    def select(self, rows: Tensor) -> DialledWeights:
        """Those of the rows `rows`, `[k]` integers."""
        return DialledWeights(self.weights[rows], self.dials[rows])

    def joined(self, more: DialledWeights) -> DialledWeights:
        """These and then `more`."""
        return DialledWeights(torch.cat([self.weights, more.weights]), torch.cat([self.dials, more.dials]))


def scattered(m: int, count: int, dials: tuple[float, float], seed: int, *, vertices: Sequence[float] = ()) -> DialledWeights:
    """Vertices at some dials first, then weights from the simplex, half of them uniform and half near its faces.

    Args:
        m: objectives.
        count: of all places.
        dials: lowest and highest; `1 / (1 + dial)` is drawn evenly.
        seed: of the draws.
        vertices: dials at which every vertex is among them.
    """
    generator = torch.Generator().manual_seed(seed)
    high, low = (1 / (1 + dial) for dial in dials)
    corners = torch.eye(m).repeat(len(vertices), 1)[:count]
    own = torch.tensor(vertices).repeat_interleave(m)[:count]
    left = count - len(corners)
    concentration = torch.where(torch.arange(left) % 2 == 0, 1.0, 0.3).unsqueeze(1).expand(-1, m)
    gammas = torch._standard_gamma(concentration.contiguous(), generator=generator).clamp(min=1e-30)
    drawn = gammas / gammas.sum(1, keepdim=True)
    strength = torch.rand(left, generator=generator) * (high - low) + low
    return DialledWeights(torch.cat([corners, drawn]), torch.cat([own, (1 / strength - 1).clamp(*dials)]))


@dataclass(frozen=True)
class Found:
    """The end of a search.

    Args:
        places: that were measured.
        candidates: their outcomes.
        surrogate: fitted to them.
        rule: of the wish.
        selected: among them.
    """

    places: DialledWeights
    candidates: Candidates
    surrogate: OutcomeSurrogate
    rule: Rule
    selected: Selected


@dataclass(frozen=True)
class Effort:
    """How much is measured, and where.

    Args:
        first: tradeoffs that are measured before any is predicted.
        rounds: how often more are measured, where the prediction from all others looks best.
        each: tradeoffs of a round.
        dials: lowest and highest dial.
        samples: of the bootstrap.
        new_lists: size of the new data that the bounds are to hold on, in lists.
        seed: of all draws.
    """

    first: DialledWeights
    rounds: int
    each: int
    dials: tuple[float, float]
    samples: int
    new_lists: int
    seed: int = 0


def search(
    measure: Callable[[DialledWeights], Candidates],
    served: Callable[[DialledWeights], DialledWeights],
    wish: Wish,
    effort: Effort,
) -> Found:
    """The measured tradeoff that fulfils a wish best.

    Args:
        measure: outcomes of tradeoffs, always on the same lists.
        served: the tradeoffs that a policy serves in place of those asked for.
        wish: of the user.
        effort: how much is measured.
    """
    places = distinct(served(effort.first))
    candidates = measure(places)
    found = select_from(places, candidates, wish, effort)
    for step in range(effort.rounds if effort.each else 0):
        wanted = promising(found, served, wish, effort, effort.seed + step + 1)
        if not len(wanted):
            break
        places, more = places.joined(wanted), measure(wanted)
        values = torch.cat([candidates.values, more.values])
        candidates = Candidates.of(candidates.names, values, candidates.base, candidates.weights)
        found = select_from(places, candidates, wish, effort)
    return found


def select_from(
    places: DialledWeights, candidates: Candidates, wish: Wish, effort: Effort, surrogate: OutcomeSurrogate | None = None
) -> Found:
    """The selection among measured tradeoffs; arguments as for `search`. Without a surrogate, one is fitted to them."""
    if surrogate is None:
        surrogate = OutcomeSurrogate(places.weights, places.dials, candidates.means, candidates.base_means)
    rule = rule_of(candidates, wish, samples=effort.samples, new_lists=effort.new_lists)
    return Found(places, candidates, surrogate, rule, select(rule, wish.confidence))


def promising(
    found: Found,
    served: Callable[[DialledWeights], DialledWeights],
    wish: Wish,
    effort: Effort,
    seed: int,
    *,
    spread: float = 1.0,
) -> DialledWeights:
    """The tradeoffs whose predicted outcomes fulfil the wish best, apart from each other and from the measured ones.

    Args:
        found: so far.
        served: as for `search`.
        wish: of the user.
        effort: says how many.
        seed: of the tradeoffs that are looked at.
        spread: factor on the standard deviations of the bounds, where they will be measured on more lists.
    """
    drawn = served(around(found, effort.dials, seed))
    safety, goal = predicted(found, drawn).safety_and_goal(found.candidates, wish)
    is_safe = safety >= spread * found.selected.margin
    order = torch.argsort(torch.where(is_safe, goal - goal.min() + 1.0, safety - safety.max() - 1.0), descending=True)
    taken, rows = found.places, list[int]()
    for row in order.tolist():
        if len(rows) == effort.each:
            break
        one = drawn.select(torch.tensor([row]))
        apart = (taken.weights - one.weights).abs().amax(1) + (taken.dials / one.dials).log2().abs()
        if apart.min() > CLOSE:
            rows.append(row)
            taken = taken.joined(one)
    return drawn.select(torch.tensor(rows, dtype=torch.long))


@dataclass(frozen=True)
class Estimates:
    """What a search knows of tradeoffs, measured or not.

    Args:
        means: `[n, outcomes]`.
        spread: `[n, bounds]`, as in a `Rule`; of tradeoffs that were not measured, from the nearest ones that were.
    """

    means: Tensor
    spread: Tensor

    def safety_and_goal(self, candidates: Candidates, wish: Wish) -> tuple[Tensor, Tensor]:
        """`[n]` each: by how much the bounds of a wish are kept, in standard deviations, and its goal.

        Args:
            candidates: that were measured.
            wish: with the bounds that the spread is of; their values may be others.
        """
        goal = wish.goal.of(self.means, *candidates.reach)
        if not wish.bounds:
            return torch.full_like(goal, torch.inf), goal
        own = self.means[:, [candidates.names.index(bound.outcome) for bound in wish.bounds]]
        least = own.new_tensor([candidates.threshold(bound) for bound in wish.bounds])
        gaps = torch.where(torch.isclose(own, least, rtol=1e-9, atol=0), 0.0, own - least)  # no more than rounding
        return (gaps / self.spread.clamp(min=1e-12)).amin(1), goal

    def joined(self, more: Estimates) -> Estimates:
        """These tradeoffs and then `more`."""
        return Estimates(torch.cat([self.means, more.means]), torch.cat([self.spread, more.spread]))


def predicted(found: Found, places: DialledWeights) -> Estimates:
    """What is predicted of tradeoffs that were not measured."""
    from sklearn.neighbors import KNeighborsRegressor

    means, spread = found.surrogate.predict(places.weights, places.dials), found.rule.spread
    if not spread.shape[1]:
        return Estimates(means, spread.new_zeros(len(places), 0))
    near = KNeighborsRegressor(min(_NEAREST, len(spread)), weights="distance").fit(_flat(found.places), spread.numpy())
    return Estimates(means, torch.from_numpy(near.predict(_flat(places))).view(len(places), -1))


def estimates(found: Found, effort: Effort) -> Estimates:
    """What is predicted of many tradeoffs everywhere and around the selected one, and what was measured."""
    measured = Estimates(found.candidates.means, found.rule.spread)
    return predicted(found, around(found, effort.dials, effort.seed)).joined(measured)


def distinct(places: DialledWeights) -> DialledWeights:
    """The same places, each once, in their order."""
    rows = torch.cat([places.weights, places.dials.unsqueeze(1)], dim=1).tolist()
    first = {tuple(row): index for index, row in reversed(list(enumerate(rows)))}
    return places.select(torch.tensor(sorted(first.values()), dtype=torch.long))


def _flat(places: DialledWeights) -> NDArray[np.float64]:
    """`[n, m + 1]`, weights and dials as the surrogate sees them."""
    return coordinates(places.weights, places.dials)


def around(found: Found, dials: tuple[float, float], seed: int) -> DialledWeights:
    """Tradeoffs from everywhere, and as many around the selected one."""
    m = found.places.weights.shape[1]
    anywhere, near = scattered(m, DRAWN, dials, seed), scattered(m, DRAWN, dials, seed + 1)
    one = found.places.select(torch.tensor([found.selected.row]))
    share = torch.rand(DRAWN, 1, generator=torch.Generator().manual_seed(seed)).square() * 0.5
    weights = (1 - share) * one.weights + share * near.weights
    strength = (1 - share[:, 0]) / (1 + one.dials) + share[:, 0] / (1 + near.dials)
    return anywhere.joined(DialledWeights(weights, (1 / strength - 1).clamp(*dials)))
