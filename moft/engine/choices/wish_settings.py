"""Reads wishes as users write them, such as `main >= 99% of base`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, cast, get_args

from annotated_types import Ge, Gt, Le

from moft.engine.choices.wish import Anchor, Bound, Goal, Like, Maximise, Shares, Wish
from moft.errors import ConfigError
from moft.files.plain_number import is_plain, plain_number
from moft.suggestions import nearest
from moft.types import MAIN

MOST_NEW, MOST_MEASURED = 10_000_000, 2_000  # a surrogate of more takes minutes to fit
MOST_CONFIDENCE = 0.999
RESERVED = "outcomes"
"""Name of the file of the surrogate beside the choices, which none of them can have."""
FORMS = "'clicks >= 0.42', 'main >= 99% of base' or 'clicks >= 90% of best'"
_LEAST = re.compile(r"(?P<value>[^\s%]+)(?:\s*(?P<percent>%)\s*of\s+(?P<anchor>base|best))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST_DIAL = 1e6
"""Highest dial that is searched; every policy is the base model there. The lowest is its inverse."""


@dataclass(frozen=True, kw_only=True)
class WishSettings:
    """A wish: what has to be kept, and what is to be as large as that allows. One of maximise, share and like is given.

    Args:
        keep: bounds, such as "main >= 99% of base", "clicks >= 0.42" or "clicks >= 90% of best", the best measured value;
            "base" is short for "100% of base".
        maximise: the outcome that is to be as large as the bounds allow.
        share: proportions in which outcomes are to fill their reachable ranges, from the lowest measured value to the highest.
        like: values of outcomes that are to be met as closely as possible; a number, from 1, stands for those of a point of the
            run's front, on the validation split.
        confidence: probability that all bounds hold on new data, above 0 and at most 0.999.
        new_lists: size of the new data, in lists; null for as many as the test split has.
        dials: lowest and highest dial that is searched.
        measurements: number of tradeoffs that are measured; null for enough for good predictions, or, where measuring takes
            minutes, for at most twice as many as a profile has.
    """

    keep: tuple[str, ...] = ()
    maximise: str | None = None
    share: dict[str, float] | None = None
    like: dict[str, float] | Annotated[int, Ge(1), Le(10_000)] | None = None
    confidence: Annotated[float, Gt(0), Le(MOST_CONFIDENCE)] = 0.95
    new_lists: Annotated[int, Ge(1), Le(MOST_NEW)] | None = None
    dials: tuple[float, float] = (0.125, 64.0)
    measurements: Annotated[int, Ge(4), Le(MOST_MEASURED)] | None = None

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class OutcomeNames:
    """What is measured of a policy.

    Args:
        names: of the objectives, of the main objective if there is one, and of further values, in this order.
        main: which of them is also called `main`.
    """

    names: tuple[str, ...]
    main: str | None

    def place(self, name: str, where: str) -> int:
        """Of an outcome among the names.

        Raises:
            ConfigError: there is none of this name.
        """
        known = self.main if name == MAIN and self.main is not None and MAIN not in self.names else name
        if known not in self.names:
            raise ConfigError(
                f"{where}: {name!r} is not measured; measured are {', '.join(self.names)}.{nearest(name, self.names)}"
            )
        return self.names.index(known)


def check_wishes(wishes: Mapping[str, WishSettings], objectives: Sequence[str]) -> None:
    """Checks the wishes of a config before training; their outcomes are objectives and `main`.

    Raises:
        ConfigError: one is wrong; the message has its name.
    """
    for name, settings in wishes.items():
        try:
            check_choice_name(name)
            wish_of(settings, OutcomeNames((*objectives, MAIN), MAIN))
        except ConfigError as error:
            raise ConfigError(f"[choices.{name}] {error}") from error


def check_choice_name(name: str) -> None:
    """Checks the name of a choice.

    Raises:
        ConfigError: it could be taken for weights, or is no name for a file.
    """
    if name.lower() == RESERVED:
        raise ConfigError(f"name {name!r}: is that of a file of moft's own; choose another one.")
    if not is_choice_name(name):
        raise ConfigError(f"name {name!r}: has 1 to 100 letters, digits, '.', '_' and '-', begins with no sign and is no number.")


def is_choice_name(text: object) -> bool:
    """Whether this is the name of a choice, and not weights."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None and not is_plain(text)


def wish_of(settings: WishSettings, names: OutcomeNames, point: Mapping[str, float] | None = None) -> Wish:
    """The wish that settings describe.

    Args:
        settings: as the user wrote them.
        names: of the outcomes.
        point: the values of the point whose number they give, by outcome; None where these do not matter yet.

    Raises:
        ConfigError: a bound, a name or a number is wrong, or there is not one goal.
    """
    if not 0 < settings.confidence < 1:
        raise ConfigError(f"confidence {settings.confidence:g}: must be above 0 and below 1, such as 0.95.")
    if settings.confidence > MOST_CONFIDENCE:
        raise ConfigError(f"confidence {settings.confidence:g}: a thousand samples tell at most {MOST_CONFIDENCE:g}.")
    if not (len(settings.dials) == 2 and 1 / MOST_DIAL <= settings.dials[0] <= settings.dials[1] <= MOST_DIAL):
        raise ConfigError(
            f"dials {list(settings.dials)}: must be the lowest and the highest dial, from {1 / MOST_DIAL:g} to {MOST_DIAL:,.0f}, "
            "such as 0.125,64."
        )
    limits = {"new_lists": (1, MOST_NEW), "measurements": (4, MOST_MEASURED)}
    for key, (least, most) in limits.items():
        value = getattr(settings, key)
        if value is not None and not least <= value <= most:
            raise ConfigError(f"{key} {value}: must be a whole number from {least} to {most:,}.")
    if isinstance(cast(object, settings.keep), str):
        raise ConfigError(f"keep {settings.keep!r}: must be a list of bounds, such as [{settings.keep!r}].")
    bounds = [parse_bound(text, names) for text in settings.keep]
    for bound in bounds:
        if sum(bound.outcome == other.outcome for other in bounds) > 1:
            raise ConfigError(f"keep: {bound.outcome} has two bounds; leave the weaker one out.")
    return Wish(bounds, _goal(settings, names, point), settings.confidence)


def parse_bound(text: str, names: OutcomeNames) -> Bound:
    """A bound such as `main >= 99% of base`.

    Raises:
        ConfigError: it is not of that form, or nothing of that name is measured.
    """
    name, _, least = (part.strip() for part in text.rpartition(">="))
    found = _LEAST.fullmatch(f"100% of {least}" if least in get_args(Anchor) else least)
    if not name or found is None:
        advice = " Values are better when they are larger, so bounds are lower ones." if "<" in text else ""
        raise ConfigError(f"keep {text!r}: a bound is of the form {FORMS}.{advice}")
    value = _number(found["value"], f"keep {text!r}")
    if found["percent"] and not value > 0:
        raise ConfigError(f"keep {text!r}: a percentage must be above 0.")
    outcome = names.names[names.place(name, f"keep {text!r}")]
    anchor = cast(Anchor | None, found["anchor"])
    return Bound(outcome, value / 100 if found["percent"] else value, anchor)


def parse_shares(text: str, option: str) -> dict[str, float]:
    """Numbers by name, from `relevance=60,revenue=30`; `option` is for messages.

    Raises:
        ConfigError: it is not of that form.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not name or name in found:
            raise ConfigError(f"{option} {text!r}: must be names with numbers, each name once, such as relevance=60,revenue=30.")
        found[name] = _number(value, f"{option} {text!r}")
    return found


def _goal(settings: WishSettings, names: OutcomeNames, point: Mapping[str, float] | None) -> Goal:
    given = [key for key in ("maximise", "share", "like") if getattr(settings, key) not in (None, {})]
    if len(given) != 1:
        raise ConfigError(f"a wish needs one goal (maximise, share or like) and has {' and '.join(given) or 'none'}.")
    if settings.maximise is not None:
        return Maximise(names.place(settings.maximise, "maximise"))
    if settings.share:
        places = _places(settings.share, names, "share")
        for value in places.values():
            if not (value > 0 and math.isfinite(value)):
                raise ConfigError(f"share: {value:g} must be above 0; leave out what needs no share.")
        if len(places) < 2:
            raise ConfigError("share: needs at least two outcomes; for one, use maximise.")
        return Shares(places)
    like = (point or {}) if isinstance(settings.like, int) else settings.like or {}
    places = _places(like, names, "like")
    for value in places.values():
        if not math.isfinite(value):
            raise ConfigError(f"like: {value:g} is not a finite number.")
    return Like(places)


def _places(given: Mapping[str, float], names: OutcomeNames, where: str) -> dict[int, float]:
    places: dict[int, float] = {}
    for name, value in given.items():
        place = names.place(name, where)
        if place in places:
            raise ConfigError(f"{where}: {names.names[place]} is given twice, also as {MAIN}.")
        places[place] = value
    return places


def _number(text: str, where: str) -> float:
    try:
        number = plain_number(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {text!r} is not a number.") from error
    if math.isinf(number):
        raise ConfigError(f"{where}: {text} is too large.")
    return number
