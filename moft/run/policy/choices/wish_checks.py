"""What can be said against a wish before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from moft.engine.choices.wish import Wish
from moft.engine.choices.wish_settings import OutcomeNames, WishSettings, parse_shares
from moft.engine.fronts.measure_front import measure_front
from moft.errors import ConfigError, DataError, RunError
from moft.files.plain_number import is_plain
from moft.interfaces import Evaluator
from moft.run.policy.choices.outcomes import ChoosableRun
from moft.run.report.front_record import main_name
from moft.types import Batches, Nouns, Tradeoff


def names_of(front: Mapping[str, Any]) -> OutcomeNames:
    """What is measured of a run, from its `front.json`; an outcome without a value is left out."""
    base = front.get("base")
    if base is None:
        raise RunError("front.json has no values of the base model; `moft train ... --resume` measures the run again.")
    main = None if base["main"] is None else main_name(front)
    further = [name for name, value in base.get("more", {}).items() if value is not None]
    return OutcomeNames((*front["objectives"], *([main] if main else []), *further), main)


def like_point(settings: WishSettings, text: str | None, run: ChoosableRun, front: Mapping[str, Any]) -> WishSettings:
    """The settings with outcomes to come close to.

    Args:
        settings: of the wish.
        text: `clicks=0.4,main=0.38`, or the number of a point of the front, from 1, for its values on the validation split; None
            leaves the settings as they are.
        run: opened for its data to be measured.
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
    point, profile, task = points[int(number) - 1], run.settings.profile, run.task
    tradeoff = Tradeoff(torch.tensor([point["weights"]]), torch.tensor([point["betas"]]))
    evaluator: Evaluator = profile.evaluator(task.objectives, task.main)
    measured = measure_front(run.policy, task, evaluator, tradeoff, "validation")  # the front may be of the test split
    names = names_of(front)
    means = dict(zip(front["objectives"], measured.points[0].tolist(), strict=True))
    means |= {} if names.main is None else {names.main: measured.main.item()}
    return replace(settings, like={name: value for name, value in means.items() if not math.isnan(value)})


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
