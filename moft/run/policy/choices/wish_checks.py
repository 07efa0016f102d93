"""What can be said against a wish before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from moft.engine.choices.wish import Wish
from moft.engine.choices.wish_settings import OutcomeNames, WishSettings, parse_shares
from moft.errors import ConfigError, DataError
from moft.files.plain_number import is_plain
from moft.run.policy.choices.outcomes import ChoosableRun
from moft.run.report.front_record import main_name
from moft.types import Batches, Nouns


def names_of(front: Mapping[str, Any]) -> OutcomeNames:
    """What is measured of a run, from its `front.json`; an outcome without a value is left out."""
    base = front["base"]
    main = None if base["main"] is None else main_name(front)
    further = [name for name, value in base.get("more", {}).items() if value is not None]
    return OutcomeNames((*front["objectives"], *([main] if main else []), *further), main)


def like_point(settings: WishSettings, text: str | None, front: Mapping[str, Any]) -> WishSettings:
    """The settings with outcomes to come close to.

    Args:
        settings: of the wish.
        text: `clicks=0.4,main=0.38`, or the number of a point of the front, from 1; None leaves the settings as they are.
        front: the content of `front.json`.

    Raises:
        ConfigError: the text is neither, or there is no such point.
    """
    if text is None:
        return settings
    if not is_plain(text):
        return replace(settings, like=parse_shares(text, "--like"))
    points = front["points"]
    number = float(text)
    if number not in range(1, len(points) + 1):
        raise ConfigError(f"--like {text}: the front of the run has the points 1 to {len(points)}.")
    point, names = points[int(number) - 1], names_of(front)
    values = [*point["values"], *([point["main"]] if names.main else [])]
    return replace(settings, like=dict(zip(names.names, values, strict=False)))


def check_percentages(wish: Wish, front: Mapping[str, Any], names: OutcomeNames) -> None:
    """Checks that shares of the base model's values say something.

    Raises:
        ConfigError: such a value is zero or negative.
    """
    base = front["base"]
    values = [*base["values"], *([base["main"]] if names.main else []), *(base.get("more", {}).values())]
    for bound in wish.bounds:
        value = values[names.names.index(bound.outcome)]
        if bound.anchor == "base" and value is not None and not value > 0:
            raise ConfigError(
                f"keep '{bound}': {bound.outcome} of the base model is {value:.4g}, and a percentage needs a value above 0; give "
                f"the bound as a number, such as '{bound.outcome} >= {value:.4g}'."
            )


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
    """The lists of a split of a run; None if it has none."""
    try:
        lists = run.task.batches(split)
    except DataError:
        return None
    return lists if lists.lists else None
