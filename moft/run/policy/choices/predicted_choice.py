"""Answers a wish at once, from predicted outcomes alone: nothing is measured, and nothing is promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from moft.engine.choices.search import DRAWN, DialledWeights, scattered
from moft.engine.choices.selection import Candidates
from moft.engine.choices.wish import Bound, Wish
from moft.engine.choices.wish_settings import WishSettings, wish_of
from moft.errors import ConfigError
from moft.run.policy.choices.expected_outcomes import MeasuredOutcomes

SEED = 0


@dataclass(frozen=True)
class PredictedChoice:
    """Weights and dial that are predicted to fulfil a wish.

    Args:
        weights: in the order of the objectives.
        dial: factor on the trained betas.
        missed: the bounds that are predicted to be missed; empty if all are kept.
        split: of the data that the predictions are made from.
    """

    weights: tuple[float, ...]
    dial: float
    missed: tuple[str, ...]
    split: str


def predicted_choice(
    outcomes: MeasuredOutcomes, settings: WishSettings, served: Callable[[DialledWeights], DialledWeights]
) -> PredictedChoice:
    """The tradeoff with the best predicted goal among those that are predicted to keep all bounds.

    A bound counts as kept where the prediction exceeds it by its own mean error, or, where no tradeoff does, at all. Where none
    keeps all bounds, it is the one that misses them by the least, in shares of the reachable range.

    Args:
        outcomes: that were measured.
        settings: the wish, whose `confidence`, `new_lists` and `measurements` are of no use here. `like` has values of outcomes.
        served: the tradeoffs that the policy serves in place of those asked for.

    Raises:
        ConfigError: the wish is not one that can be checked, or no dial in its range was measured.
    """
    if isinstance(settings.like, int):
        raise ConfigError(f"like {settings.like}: give values of outcomes; a point of the front has them in front.json.")
    wish = wish_of(settings, outcomes.names)
    low, high = max(settings.dials[0], outcomes.dials[0]), min(settings.dials[1], outcomes.dials[1])
    if low > high:
        measured = " to ".join(f"{dial:g}" for dial in outcomes.dials)
        raise ConfigError(f"dials {list(settings.dials)}: was measured at {measured} alone; `moft choose` measures others.")
    own = outcomes.measured
    known = DialledWeights(torch.tensor(own["weights"], dtype=torch.float32), torch.tensor(own["dials"], dtype=torch.float32))
    inside = known.select(((known.dials >= low) & (known.dials <= high)).nonzero().flatten())
    m = known.weights.shape[1]
    anywhere = served(inside.joined(scattered(m, DRAWN, (low, high), SEED, vertices=[low, high])))
    best, _ = _best(outcomes, wish, anywhere)
    near = scattered(m, DRAWN, (low, high), SEED + 1)
    share = torch.linspace(0.001, 0.2, DRAWN).unsqueeze(1)
    one = anywhere.select(torch.tensor([best]))
    around = DialledWeights((1 - share) * one.weights + share * near.weights, one.dials + share[:, 0] * (near.dials - one.dials))
    places = one.joined(served(around))
    row, missed = _best(outcomes, wish, places)
    return PredictedChoice(
        tuple(places.weights[row].double().tolist()), float(places.dials[row]), tuple(map(str, missed)), outcomes.split
    )


def _best(outcomes: MeasuredOutcomes, wish: Wish, places: DialledWeights) -> tuple[int, list[Bound]]:
    """The row of the best of some tradeoffs, and the bounds that it misses."""
    means, names = outcomes.predict(places.weights, places.dials), outcomes.names.names
    measured, base = means.new_tensor(outcomes.measured["means"]), means.new_tensor(outcomes.measured["base"])
    known = Candidates.of(names, measured.unsqueeze(1), base.unsqueeze(0))  # the means, as the values of one list
    low, high = known.reach
    goal = wish.goal.of(means, low, high)
    if not wish.bounds:
        return int(goal.argmax()), []
    columns = [names.index(bound.outcome) for bound in wish.bounds]
    gaps = means[:, columns] - means.new_tensor([known.threshold(bound) for bound in wish.bounds])  # [q, bounds]
    errors = means.new_tensor([outcomes.errors[column] for column in columns])
    for margin in (errors, torch.zeros_like(errors)):
        is_kept = (gaps >= margin).all(1)
        if is_kept.any():
            return int(goal.masked_fill(~is_kept, -torch.inf).argmax()), []
    size = (high - low)[columns].clamp(min=1e-12)
    row = int((gaps / size).amin(1).argmax())
    return row, [bound for bound, gap in zip(wish.bounds, gaps[row].tolist(), strict=True) if gap < 0]
