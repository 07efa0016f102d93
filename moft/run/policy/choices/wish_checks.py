"""What can be said against a wish before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from moft.engine.choices.wish import Wish
from moft.engine.choices.wish_settings import OutcomeNames, WishSettings, parse_shares
from moft.errors import ConfigError, DataError, RunError
from moft.files.plain_number import is_plain
from moft.run.policy.choices.outcomes import ChoosableRun
from moft.run.report.front_record import main_name
from moft.types import Batches, Nouns


def names_of(front: Mapping[str, Any]) -> OutcomeNames:
    """What is measured of a run, from its `front.json`; an outcome without a value is left out."""
    base = front.get("base")
    if base is None:
        raise RunError("front.json has no values of the base model; `moft train ... --resume` measures the run again.")
    main = None if base["main"] is None else main_name(front)
    further = [name for name, value in base.get("more", {}).items() if value is not None]
    return OutcomeNames((*front["objectives"], *([main] if main else []), *further), main)


def parse_like(text: str) -> dict[str, float] | int:
    """What `--like` says: values of outcomes, `clicks=0.4,main=0.38`, or the number of a point of the front.

    Raises:
        ConfigError: it is neither.
    """
    if not is_plain(text):
        return parse_shares(text, "--like")
    if not float(text).is_integer():
        raise ConfigError(f"--like {text}: the number of a point is a whole one.")
    return int(float(text))


def point_of(settings: WishSettings, front: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The point of the front that a wish is to come close to; None if it names none.

    Raises:
        ConfigError: there is no such point.
    """
    if not isinstance(settings.like, int):
        return None
    points: Sequence[Mapping[str, Any]] = front["points"]
    if not 1 <= settings.like <= len(points):
        raise ConfigError(f"like {settings.like}: the front of the run has the points 1 to {len(points)}.")
    return points[settings.like - 1]


def check_percentages(wish: Wish, front: Mapping[str, Any], names: OutcomeNames) -> None:
    """Checks that shares of the base model's values say something.

    Raises:
        ConfigError: such a value, or the best one of the front, is zero or negative.
    """
    base, *points = (_means(entry, front, names) for entry in (front["base"], *front["points"]))
    for bound in wish.bounds:
        known = [means.get(bound.outcome) for means in (base, *points)]
        values = [value for value in (known[:1] if bound.anchor == "base" else known) if value is not None]
        if bound.anchor is not None and values and not max(values) > 0:
            of = "of the base model is" if bound.anchor == "base" else "is at best"
            raise ConfigError(
                f"keep '{bound}': {bound.outcome} {of} {max(values):.4g}, and a percentage needs a value above 0; give "
                f"the bound as a number, such as '{bound.outcome} >= {max(values):.4g}'."
            )


def _means(entry: Mapping[str, Any], front: Mapping[str, Any], names: OutcomeNames) -> dict[str, float | None]:
    """The means of a point of a front, or of its base model, by outcome."""
    own = dict(zip(front["objectives"], entry["values"], strict=False))
    return {**own, **({names.main: entry["main"]} if names.main else {}), **entry.get("more", {})}


def fewest_lists(confidence: float) -> int:
    """Lists without which nothing can be promised.

    If every list kept a bound by chance with probability one half, as many of them would all keep it with a probability of one
    minus the confidence: the sign test.
    """
    return max(2, math.ceil(math.log2(1 / (1 - confidence))))


def check_enough(lists: int, confidence: float, nouns: Nouns) -> None:
    """Checks that there are enough lists for a promise.

    Raises:
        ConfigError: there are too few.
    """
    least = fewest_lists(confidence)
    if lists < least:
        raise ConfigError(
            f"confidence {confidence:g}: the validation split has {nouns.count_lists(lists)}, too few to promise "
            f"anything; it takes at least {least:,}."
        )


def split_of(run: ChoosableRun, split: str) -> Batches | None:
    """The lists of a split of a run; None if it has none.

    Raises:
        DataError: there is none of the validation split; the message says why.
    """
    try:
        lists = run.task.batches(split)
    except DataError as error:
        if split == "validation":
            raise DataError(f"{run.folder.path}: has no validation data to choose on: {error}") from error
        return None
    return lists if lists.lists else None
