"""What is written of a choice: weights, dial, expected outcomes, how safe each bound is and what it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor

from moft.engine.choices.search import Effort, Estimates, Found, estimates
from moft.engine.choices.selection import Candidates
from moft.engine.choices.wish import Bound, Maximise, Wish
from moft.engine.choices.wish_settings import OutcomeNames, WishSettings
from moft.engine.fronts.bootstrap import bootstrap_means, interval, resampled
from moft.run.policy.choices.outcomes import ChoosableRun
from moft.run.policy.policy_files import policy_hash
from moft.types import Nouns

RELAXED = 0.01
"""By how much a bound is relaxed to tell its price: a share of the anchor's value, or of the reachable range."""
FEW = 30
"""Lists of which fewer get a note."""


def choice_record(
    run: ChoosableRun,
    settings: WishSettings,
    wish: Wish,
    names: OutcomeNames,
    found: Found,
    effort: Effort,
    tested: Candidates | None,
    *,
    measured: int,
) -> dict[str, Any]:
    """The content of `choices/NAME.json`, schema version 2.

    Args:
        run: that the choice is for.
        settings: the wish as it was given.
        wish: the same, read.
        names: of the outcomes.
        found: by the search.
        effort: of the search.
        tested: outcomes on the test split, of the choice and then of the tradeoffs that bounds are shares of; None without one.
        measured: number of tradeoffs that were measured.
    """
    selected, candidates = found.selected, found.candidates
    objectives = [objective.name for objective in run.task.objectives]
    weights = dict(zip(objectives, found.places.weights[selected.row].double().tolist(), strict=True))
    known = estimates(found, effort)
    reach = _reachable(found, wish, known)
    own = _means(candidates, selected.row)
    return {
        "policy": policy_hash(run.folder),
        "weights": weights,
        "dial": float(found.places.dials[selected.row]),
        "wish": settings.record(),
        "is_promised": selected.is_promised,
        "confidence": selected.confidence,
        "margin": selected.margin,
        "outcomes": [
            {
                "name": name,
                "base": candidates.base_means[place].item(),
                "validation": own[place]["value"],
                "validation_ci": own[place]["ci"],
                "reachable": reach[place],
            }
            for place, name in enumerate(names.names)
        ],
        "bounds": [_bound(found, wish, known, place) for place in range(len(wish.bounds))],
        "lists": candidates.values.shape[1],
        "new_lists": effort.new_lists,
        "measured": measured,
        "test": None if tested is None else _test(tested, wish, names),
        "notes": [*_notes(found, wish, effort, known, run.task.nouns), *_edge(found, effort), *_few(found, wish, run.task.nouns)],
    }


def _means(candidates: Candidates, row: int) -> list[dict[str, Any]]:
    """The mean of each outcome of a tradeoff, with its interval."""
    values = candidates.values[row : row + 1]
    samples = bootstrap_means(values, resampled(values.shape[1], 1000, 0), candidates.weights)
    bounds = interval(samples).squeeze(0).tolist()
    return [{"value": mean, "ci": ci} for mean, ci in zip(candidates.means[row].tolist(), bounds, strict=True)]


def _test(tested: Candidates, wish: Wish, names: OutcomeNames) -> dict[str, Any]:
    """What the choice reaches on the test split."""
    gaps = _mean_gaps(tested, wish).tolist()
    own = _means(tested, 0)
    return {
        "lists": tested.values.shape[1],
        "outcomes": [
            {"name": name, **own[place], "base": tested.base_means[place].item()} for place, name in enumerate(names.names)
        ],
        "held": [None if math.isnan(gap) else gap >= 0 for gap in gaps],  # null where no list has a value
    }


def _mean_gaps(candidates: Candidates, wish: Wish) -> Tensor:
    """`[bounds]`, of the first candidate."""
    least = [candidates.threshold(bound) for bound in wish.bounds]
    own = [candidates.means[0, candidates.names.index(bound.outcome)].item() for bound in wish.bounds]
    return torch.tensor(own, dtype=torch.float64) - torch.tensor(least, dtype=torch.float64)


def _bound(found: Found, wish: Wish, known: Estimates, place: int) -> dict[str, Any]:
    """A bound: its threshold, the probability that it holds, and what relaxing it a little would buy."""
    bound, candidates = wish.bounds[place], found.candidates
    record: dict[str, Any] = {"text": str(bound), "outcome": bound.outcome, "least": candidates.threshold(bound)}
    record["holds"] = float(found.selected.holds[place])
    if not found.selected.is_promised or not isinstance(wish.goal, Maximise):
        return record
    relaxed = _relaxed(bound, candidates)
    bounds = [relaxed if each is bound else each for each in wish.bounds]
    now, then = (_best_goal(found, replace(wish, bounds=own), known) for own in (wish.bounds, bounds))
    return {**record, "relaxed": str(relaxed), "gain": then - now}


def _relaxed(bound: Bound, candidates: Candidates) -> Bound:
    if bound.anchor is not None:
        return replace(bound, value=round(bound.value - RELAXED, 6))
    low, high = candidates.reach[:, candidates.names.index(bound.outcome)].tolist()
    step = RELAXED * (high - low)
    digits = 2 - math.floor(math.log10(step)) if step > 0 else 0  # so that rounding moves it by less than the step
    return replace(bound, value=round(bound.value - step, digits) if step > 0 else bound.value)


def _best_goal(found: Found, wish: Wish, known: Estimates) -> float:
    """The largest goal within the bounds."""
    safety, goal = known.safety_and_goal(found.candidates, wish)
    own = found.rule.goal[found.selected.row : found.selected.row + 1]  # within the bounds, up to rounding
    return float(torch.cat([goal[safety >= found.selected.margin], own]).max())


def _reachable(found: Found, wish: Wish, known: Estimates) -> list[list[float | None]]:
    """Lowest and highest mean of each outcome within the bounds, of those that were measured; null where nothing keeps them."""
    safety, _ = known.safety_and_goal(found.candidates, wish)
    low, high = found.candidates.reach
    inside = known.means[safety >= (found.selected.margin if found.selected.is_promised else 0.0)].clamp(low, high)
    if not len(inside):
        return [[None, None] for _ in found.candidates.names]
    return [[low, high] for low, high in zip(inside.amin(0).tolist(), inside.amax(0).tolist(), strict=True)]


def _notes(found: Found, wish: Wish, effort: Effort, known: Estimates, nouns: Nouns) -> list[str]:
    """What stands in the way of a wish that is not promised."""
    if found.selected.is_promised:
        return []
    gaps = found.rule.gaps[found.selected.row]
    if bool((gaps >= 0).all()):
        return [_too_few(found, wish, effort, nouns)]
    return [*_in_the_way(found, wish, known), "The nearest tradeoff was chosen: the one that misses its bounds by the least."]


def _too_few(found: Found, wish: Wish, effort: Effort, nouns: Nouns) -> str:
    """How many lists it would take to promise what the means already keep."""
    row, lists = found.selected.row, found.candidates.values.shape[1]
    needed = max(NormalDist().inv_cdf(wish.confidence ** (1 / len(wish.bounds))), 0.1)  # of 0.5 and less, it is 0 and less
    ratio = min(float(found.rule.safety[row]) / needed, 1.0)  # of what is there to what is asked
    both = 1 / lists + 1 / effort.new_lists
    left = both * ratio**2 - 1 / effort.new_lists  # one over the number of lists
    means = (
        f"The means of the {nouns.count_lists(lists)} keep all bounds, but not by enough for a confidence of {wish.confidence:g}"
    )
    if left > 0:
        return f"{means}; that would take about {nouns.count_lists(max(math.ceil(1 / left), lists + 1))} to choose on."
    return f"{means}: means over {nouns.count_lists(effort.new_lists)} of new data differ by more, whatever is chosen."


def _in_the_way(found: Found, wish: Wish, known: Estimates) -> Sequence[str]:
    """For each bound that the others leave no room for, how far its outcome gets."""
    candidates, sentences = found.candidates, list[str]()
    for bound in wish.bounds:
        own, least = known.means[:, candidates.names.index(bound.outcome)], candidates.threshold(bound)
        if own.max() < least:
            sentences.append(f"{bound}: needs {least:.4g}, and {bound.outcome} reaches {own.max():.4g} anywhere.")
            continue
        others = [place for place, each in enumerate(wish.bounds) if each is not bound]
        rest = replace(known, spread=known.spread[:, others])
        safety, _ = rest.safety_and_goal(candidates, replace(wish, bounds=[wish.bounds[place] for place in others]))
        inside = own[safety >= 0]
        if len(inside) and inside.max() < least:
            within = "where all other bounds are kept"
            sentences.append(f"{bound}: needs {least:.4g}, and {bound.outcome} reaches {inside.max():.4g} {within}.")
    if sentences:
        return sentences
    count = len(candidates.values)
    return [
        f"None of {count:,} measured tradeoffs keeps all bounds at once, though others might: --measurements takes more of them."
    ]


def _few(found: Found, wish: Wish, nouns: Nouns) -> list[str]:
    """A note where the goals of tradeoffs are means over few lists, which the confidence of the bounds says nothing about."""
    lists = found.candidates.values.shape[1]
    if not isinstance(wish.goal, Maximise) or lists >= FEW:
        return []
    goal = found.candidates.names[wish.goal.place]
    return [f"Chosen on {nouns.count_lists(lists)} only. The bounds allow for that, but where {goal} is largest is uncertain."]


def _edge(found: Found, effort: Effort) -> list[str]:
    """A note where the chosen dial is at the end of those that were searched."""
    dial, (low, high) = float(found.places.dials[found.selected.row]), effort.dials
    if low < high and (dial <= 1.05 * low or dial >= 0.95 * high):
        return [f"The dial {dial:.3g} is at the end of those that were searched, {low:g} to {high:g}; --dials takes others."]
    return []
