"""From what a request asks for (weights, a choice or a wish, and a dial) to a tradeoff, or to one sentence on what is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from moft import ConfigError, DataError, MoftError, RunError, ShapeError
from moft.api import RoundsWeights, Tradeoff, float_of
from moft_serve.http.errors import ApiError, refused
from moft_serve.models.served_models import Served

if TYPE_CHECKING:
    from moft import NamedChoice

_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
_BY_NAME: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "number"}}
GOALS = ("weights", "choice", "wish")
"""Fields of which a request has one."""
_KEPT = 256
"""Wishes of a run whose answers are kept."""


def small(most: int) -> Callable[[object], object]:
    """A validator that refuses an object of more fields, before each of them takes the time and memory of an error of its own."""

    def check(value: object) -> object:
        if isinstance(value, Mapping) and len(value) > most:
            raise ValueError(f"has {len(value):,} fields, and {most:,} are the most")
        return value

    return check


_Values = Annotated[dict[str, float], BeforeValidator(small(100))]


class WishBody(BaseModel):
    """Outcomes that are wished for, as for `moft choose`; one of maximise, share and like."""

    model_config = ConfigDict(extra="forbid", strict=True)
    _small = model_validator(mode="before")(small(100))
    keep: list[str] = Field(
        [], max_length=20, description="Bounds, such as `main >= 99% of base`.", examples=[["main >= 95% of base"]]
    )
    maximise: str | None = Field(None, description="The outcome that is to be as large as the bounds allow.", examples=["clicks"])
    share: _Values | None = Field(None, description="Proportions in which outcomes are to fill their reachable ranges.")
    like: _Values | None = Field(None, description="Values of outcomes that are to be met as closely as possible.")
    dials: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="Lowest and highest dial that is searched; default 0.125 and 64, or 1 alone where nothing else is served.",
        examples=[[0.125, 64.0]],
    )


class Steering(BaseModel):
    """How a request is steered: weights, a choice or a wish; and a dial."""

    model_config = ConfigDict(extra="forbid")
    _small = model_validator(mode="before")(small(100))
    weights: Annotated[Any, WithJsonSchema({"anyOf": [_BY_NAME, _NUMBERS, {"type": "string"}, {"type": "null"}]})] = Field(
        None,
        description="Objective weights by name, where those left out have weight 0, or in order, or as text such as "
        "`clicks=0.3,dwell=0.7`. They sum to 1.",
        examples=[{"clicks": 0.3, "dwell": 0.7}],
    )
    choice: str | None = Field(None, description="A choice of the run by its name, with weights and a dial of its own.")
    dial: Annotated[Any, WithJsonSchema({"anyOf": [{"type": "number"}, _BY_NAME, _NUMBERS, {"type": "null"}]})] = Field(
        None,
        description="Factor on the trained betas, above 0: 1 is as trained, larger is closer to the base model.",
        examples=[1.0],
    )
    normalize: bool = Field(False, description="Divide the weights by their sum first.")


class WishfulSteering(Steering):
    """The same with a wish, which is answered from predicted outcomes."""

    wish: WishBody | None = Field(None, description="Outcomes that are wished for; answered from predictions, without a promise.")


@dataclass(frozen=True)
class Resolved:
    """What a request is steered to.

    Args:
        tradeoff: of one row.
        weights: by objective.
        dial: one factor, or one for each objective by name.
        choice: whose weights these are, if one was named.
        notes: sentences for the client.
    """

    tradeoff: Tradeoff
    weights: Mapping[str, float]
    dial: float | Mapping[str, float]
    choice: str | None = None
    notes: tuple[str, ...] = ()

    def echo(self) -> dict[str, Any]:
        """As JSON, for the answer."""
        notes = {"notes": list(self.notes)} if self.notes else {}
        choice = {"choice": self.choice} if self.choice else {}
        return {"weights": dict(self.weights), "dial": self.dial, **choice, **notes}


def parse_model(text: str | None) -> tuple[str | None, str | None]:
    """The name of a run, and what follows it: `NAME:clicks=0.2,dwell=0.8`, `NAME:0.2,0.8` or `NAME:CHOICE`."""
    if text is None or ":" not in text:
        return text, None
    name, _, rest = text.partition(":")
    return name, rest


def resolve(served: Served, asked: Steering, place: str = "", named: str | None = None) -> Resolved:
    """What a request is steered to.

    Args:
        served: the run.
        asked: by the fields of the request.
        place: of the fields in the request, such as `queries[2].`.
        named: what follows the name of the model, see `parse_model`.

    Raises:
        ApiError: it asks for something that is wrong, or for nothing.
    """
    wish = getattr(asked, "wish", None)
    given = [word for word in GOALS if getattr(asked, word, None) is not None] + ["model"] * (named is not None)
    if len(given) != 1:
        found = f"{' and '.join(given)} are given" if given else "nothing is given"
        words = ", ".join(GOALS if isinstance(asked, WishfulSteering) else GOALS[:2])
        raise ApiError(
            400,
            f"{place}weights: {found}; give one of {words}, such as {_example(served)}.",
            param=f"{place}weights",
            code="weights",
        )
    if wish is not None:
        return _of_wish(served, wish, asked, f"{place}wish")
    choice = asked.choice if named is None else named if not _is_weights(named) else None
    if choice is not None:
        return _of_choice(served, choice, asked, f"{place}choice" if named is None else "model")
    weights = named if named is not None else _normalized(asked, f"{place}weights")
    return _at(served, weights, asked.dial, "model" if named is not None else f"{place}weights")


def generated(served: Served, resolved: Resolved) -> Resolved:
    """What the engine of a language model generates at, for what is asked.

    Raises:
        ApiError: it cannot.
    """
    engine: object = served.engine
    if not isinstance(engine, RoundsWeights):
        return resolved
    try:
        tradeoff, notes = engine.rounded(resolved.tradeoff)
    except ConfigError as error:
        raise refused(error, "dial") from error
    return replace(resolved, tradeoff=tradeoff, weights=_by_name(served, tradeoff), notes=(*resolved.notes, *notes))


def _by_name(served: Served, tradeoff: Tradeoff) -> dict[str, float]:
    return {name: float(f"{value:.7g}") for name, value in zip(served.objectives, tradeoff.weights[0].tolist(), strict=True)}


def _at(served: Served, weights: object, dial: object, param: str, **more: Any) -> Resolved:
    """The tradeoff of weights and a dial."""
    if isinstance(dial, str) or (isinstance(weights, str) and not _is_weights(weights)):
        what, form = ("dial", "a number") if isinstance(dial, str) else (param, "numbers; a choice is given as `choice`")
        raise ApiError(400, f"{what}: must be {form}.", param=what, code="invalid_value")
    run, where = served.run, param.rpartition(".")[0] or ("model" if param == "model" else "the request")
    try:
        tradeoff = run.tradeoffs([(weights, dial, where)], where)
        if isinstance(dial, list | dict):
            device = next((value.device for value in run.policy.state_dict().values()), tradeoff.weights.device)
            run.policy.magnitude(tradeoff.to(device))  # refuses ratios of betas that the policy was not trained on
        notes = run.substitutions(tradeoff)
    except (DataError, ConfigError, ShapeError) as error:
        with suppress(MoftError):
            run.tradeoffs([(weights, None, where)], where)
            param = "dial"  # since the weights are right
        raise refused(error, param) from error
    factors = (tradeoff.betas.double() / run.trained_betas.double())[0].tolist()
    rounded = [float(f"{factor:.6g}") for factor in factors]
    own = rounded[0] if len(set(rounded)) == 1 else dict(zip(run.names, rounded, strict=True))
    return Resolved(tradeoff, _by_name(served, tradeoff), own, more.get("choice"), (*more.get("notes", ()), *notes))


def _of_choice(served: Served, name: str, asked: Steering, param: str) -> Resolved:
    choice: NamedChoice | None = served.choices.get(name)
    if choice is None:
        known = f"its choices are {', '.join(served.choices)}" if served.choices else "it has none; `moft choose` makes one"
        raise ApiError(400, f"{param}: {served.name!r} has no choice {name!r}; {known}.", param=param, code="choice_not_found")
    if asked.dial is not None:
        text = f"dial: the choice {name!r} has a dial of its own, {choice.dial:.4g}; leave the dial out."
        raise ApiError(400, text, param="dial", code="invalid_value")
    weights = [choice.weights[each] for each in served.objectives]
    return _at(served, weights, [choice.dial] * len(weights), param, choice=name)


def _of_wish(served: Served, wish: WishBody, asked: Steering, param: str) -> Resolved:
    if asked.dial is not None:
        raise ApiError(400, "dial: a wish finds a dial of its own; leave the dial out.", param="dial", code="invalid_value")
    if served.outcomes is None:
        text = f"{param}: nothing that was measured of {served.name!r} could be read; `moft choose` measures it."
        raise ApiError(400, text, param=param, code="nothing_measured")
    key, kept = wish.model_dump_json(), served.wishes
    if key not in kept:
        engine: object = served.engine
        dials = {"dials": engine.dials} if isinstance(engine, RoundsWeights) else {}
        given = dials | wish.model_dump(exclude_none=True)
        try:
            kept[key] = served.run.predicted_choice(served.outcomes, **given)
        except RunError as error:
            raise ApiError(500, f"{param}: {error}", param=param, code="damaged") from error
        except MoftError as error:
            raise ApiError(400, f"{param}: {error}", param=param, code="invalid_value") from error
        for old in list(kept)[:-_KEPT]:
            kept.pop(old, None)
    found = kept[key]
    note = f"Predicted from what was measured on the {found.split} split, and not promised."
    if found.missed:
        note = f"No tradeoff is predicted to keep {', '.join(found.missed)}; this one comes nearest. {note}"
    weights = list(found.weights)
    return _at(served, weights, [found.dial] * len(weights), param, notes=(note,))


def _normalized(asked: Steering, param: str) -> object:
    """The weights, divided by their sum if that was asked; what is wrong with them is found later."""
    weights = asked.weights
    numbers = list(weights.values()) if isinstance(weights, dict) else weights
    is_numbers = isinstance(numbers, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in numbers
    )
    if not asked.normalize or not is_numbers:
        return weights
    values = [float_of(each) for each in numbers]
    try:
        total = math.fsum(values) if all(map(math.isfinite, values)) else math.inf
    except OverflowError:
        total = math.inf
    if not (0 < total < math.inf) or min(values) < 0:
        shown = json.dumps(weights, ensure_ascii=False)[:60]
        text = f"{param}: {shown} cannot be normalised; they must be finite, not negative, and one above 0."
        raise ApiError(400, text, param=param, code="invalid_value")
    shares = [value / total for value in values]
    return dict(zip(weights, shares, strict=True)) if isinstance(weights, dict) else shares


def _is_weights(text: str) -> bool:
    """Whether a text is weights, and no name of a choice."""
    with suppress(ValueError):
        float(text)
        return True
    return "," in text or "=" in text


def _example(served: Served) -> str:
    first, *others = served.objectives
    share = round(1 / (1 + len(others)), 3)
    return json.dumps({"weights": {first: round(1 - share * len(others), 3), **dict.fromkeys(others, share)}}, ensure_ascii=False)
