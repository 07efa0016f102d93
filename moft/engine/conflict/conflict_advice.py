"""What the figures of a conflict report say: objectives to merge, how many points to profile, and which figures to doubt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from moft.engine.conflict.label_rankings import RankingValues
from moft.engine.conflict.list_conflicts import ListConflicts, Values
from moft.types import Nouns

ALIKE = 0.95
"""Two objectives of which each has this much at the other's best are one; a convention."""

STEPS = 10
"""Of the default grid of 11 points between two objectives: each step moves an objective by a tenth of its range at most."""

MOST_POINTS = 100
"""Of a grid for three objectives or more; a convention."""

SPARSE = 0.1
"""Below this share of ordered pairs of items, or half of the lists, labels are called sparse; a convention."""


def conflict_advice(
    names: Sequence[str], trained: Sequence[bool], conflicts: ListConflicts, values: RankingValues, nouns: Nouns
) -> Iterator[str]:
    """Sentences, the most important first.

    Args:
        names: of the objectives.
        trained: whether each is trained; the others, such as the main one, are only measured.
        conflicts: within lists.
        values: of rankings by labels.
        nouns: what lists and items are called.
    """
    kept = values.kept()
    indices = [index for index, is_trained in enumerate(trained) if is_trained]
    pairs = list(combinations(indices, 2))
    known = [pair for pair in pairs if not math.isnan(least_kept(kept, pair))]
    if known:
        one, other = min(known, key=lambda pair: least_kept(kept, pair))
        one, other = (one, other) if kept[one, other] <= kept[other, one] else (other, one)
        yield (
            f"Largest conflict: the best order for {names[one]} has {kept[one, other]:.0%} of {names[other]} "
            "(0%: a random order, 100%: the best one)."
        )
        middle = np.nanmin(values.kept_in_the_middle()[indices])
        yield f"One order with equal weights could have {middle:.0%} or more of every objective."
    if values.base is not None:
        has = ", ".join(f"{share:.0%} of {name}" for name, share in zip(names, values.share(values.base), strict=True))
        yield f"The base has {has}."
    for one, other in known:
        if least_kept(kept, (one, other)) >= ALIKE:
            yield (
                f"{names[one]} and {names[other]} may be merged: the best order for either has at least {ALIKE:.0%} of the other."
            )
    yield _points(len(indices), min((least_kept(kept, pair) for pair in known), default=math.nan))
    yield from _doubts(names, indices, pairs, conflicts, nouns)
    if values.error > 0:
        yield (
            f"Over {nouns.count_lists(values.lists)}, a mean has a standard error of up to {values.error:.2g}. Points that "
            "differ by less than twice that cannot be told apart by so many."
        )


def least_kept(kept: Values, pair: tuple[int, int]) -> float:
    """The smaller share that two objectives have at each other's best; NaN if one is unknown."""
    one, other = pair
    return float(np.minimum(kept[one, other], kept[other, one]))


def points_for(objectives: int, least: float) -> tuple[int, int]:
    """The number of points of a grid, and of its steps between two objectives.

    Args:
        objectives: how many are trained, two or more.
        least: the smallest share that one has at another's best; NaN for the default.
    """
    lost = 1.0 if math.isnan(least) else min(1.0, max(0.0, 1 - least))
    steps = max(2, math.ceil(round(lost * STEPS, 6)))
    while objectives > 2 and steps > 1 and math.comb(steps + objectives - 1, objectives - 1) > MOST_POINTS:
        steps -= 1
    return math.comb(steps + objectives - 1, objectives - 1), steps


def _points(objectives: int, least: float) -> str:
    """How many points to profile."""
    if objectives < 2:
        return "One objective is trained, so its weight is always 1: only the dial trades it against what the base does."
    points, steps = points_for(objectives, least)
    if math.isnan(least):
        return f"profile.points: {points}, the usual grid, as the conflict cannot be measured."
    why = f"{steps} step{'s' if steps > 1 else ''} between two objectives"
    if objectives == 2 or steps == max(2, math.ceil(round((1 - least) * STEPS, 6))):
        why += f", one for each tenth that an objective loses at another's best{', but at least 2' if steps == 2 else ''}"
    else:
        why += f", as many as {MOST_POINTS} points have for {objectives} objectives"
    return f"profile.points: {points} ({why})."


def _doubts(
    names: Sequence[str], indices: Sequence[int], pairs: Sequence[tuple[int, int]], conflicts: ListConflicts, nouns: Nouns
) -> Iterator[str]:
    """What makes figures doubtful: objectives that are never seen together, and sparse labels."""
    total = len(conflicts.ordered)
    for one, other in pairs:
        if not conflicts.lists[one, other]:
            yield (
                f"No {nouns.list} has labels that order {nouns.items} for both {names[one]} and {names[other]}, so nothing here "
                "says whether they conflict."
            )
    for index in indices:
        ordered = conflicts.ordered[:, index]
        lists = int((ordered > 0).sum())
        share = float(ordered[ordered > 0].mean()) if lists else 0.0
        if 2 * lists < total:
            yield f"{names[index]} is sparse: it orders {nouns.items} in {lists:,} of {nouns.count_lists(total)}."
        elif share < SPARSE:
            yield (
                f"{names[index]} is sparse: it orders {share:.1%} of the pairs of {nouns.items}, so its best order leaves room "
                "for other objectives."
            )
