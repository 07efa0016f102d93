"""The tradeoff that a request asks for: in its model's name, or in the field `weights` or `choice`."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moft_vllm.errors import RequestError

FIELDS = ("weights", "choice", "dial", "normalize", "wish")
"""Fields of a request that are moft's, and that vLLM does not get to see."""
_OFF = 1e-4  # by which a sum of weights may miss 1
_PLAIN = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
"""Numbers as moft takes them; `1_0`, `nan` and digits of other scripts are none, though Python's `float` reads them."""


@dataclass(frozen=True)
class Tradeoff:
    """Objective weights that are served.

    Args:
        label: what stands behind the colon of its model's name: the weights by objective, or the name of a choice.
        weights: in the order of the objectives.
    """

    label: str
    weights: tuple[float, ...]


class Tradeoffs:
    """Reads tradeoffs of requests.

    Args:
        record: of the exported policy.
        steps: weights are rounded to multiples of one part in `steps`; 0 rounds none.
    """

    def __init__(self, record: Mapping[str, Any], steps: int) -> None:
        self._name: str = record["name"]
        self._base: str = record["base_name"]
        self._objectives: Sequence[str] = record["objectives"]
        self._choices: Mapping[str, Any] = record["choices"]
        self._steps = steps

    def of(self, body: Mapping[str, Any]) -> Tradeoff | None:
        """The tradeoff of a request; None where it asks for the base model.

        Raises:
            RequestError: it names no model of this server, or its tradeoff is wrong.
        """
        model = body.get("model", self._name)
        if not isinstance(model, str):
            raise RequestError(f"model: must be a text such as {self._example}.", "model")
        given = [name for name in FIELDS if body.get(name) is not None]
        name, colon, label = model.partition(":")
        if model == self._base and model != self._name:
            if given:
                raise RequestError(f"{given[0]}: the base model {self._base} takes none; use the model {self._name}.", given[0])
            return None
        if name != self._name:
            known = f"the models are {self._name}, with weights as in {self._example}, and {self._base}"
            raise RequestError(f"model: {model!r} is not served here; {known}.", "model", status=404, code="model_not_found")
        if "wish" in given:
            raise RequestError("wish: is not available on vLLM; give weights, or a choice that `moft choose` made.", "wish")
        self._refuse_dial(body.get("dial"), "dial")
        ways = [each for each in ("weights", "choice") if each in given] + (["model"] if colon else [])
        if len(ways) != 1:
            told = f"{' and '.join(ways)} both give them; leave one out" if ways else f"add them, as in {self._example}"
            raise RequestError(f"this model needs objective weights, once: {told}.", ways[0] if ways else "weights")
        normalize = body.get("normalize") or False
        if not isinstance(normalize, bool):
            raise RequestError("normalize: must be true or false.", "normalize")
        if ways == ["choice"]:
            return self._choice(body["choice"], "choice")
        if ways == ["model"] and label in self._choices:
            return self._choice(label, "model")
        value = body["weights"] if ways == ["weights"] else self._parsed(label)
        return self._rounded(self._weights(value, ways[0], normalize=normalize))

    def named(self, weights: Sequence[float]) -> str:
        """Weights by objective, as in a model's name."""
        pairs = zip(self._objectives, weights, strict=True)
        return ",".join(f"{name}={weight:.10g}" for name, weight in pairs)

    @property
    def models(self) -> list[str]:
        """The names of models that requests can give: the policy, its choices that are served, and the base model."""
        choices = [name for name, choice in self._choices.items() if _is_as_trained(choice["dial"])]
        return [self._name, *(f"{self._name}:{name}" for name in choices), self._base]

    @property
    def _example(self) -> str:
        count = len(self._objectives)
        weights = [0.2, 0.8] if count == 2 else [1.0] + [0.0] * (count - 1)
        return f"{self._name}:{self.named(weights)}"

    def _choice(self, name: object, where: str) -> Tradeoff:
        if not isinstance(name, str) or name not in self._choices:
            known = f"its choices are {', '.join(self._choices)}" if self._choices else "it has none"
            raise RequestError(f"{where}: {name!r} is no choice of the policy; {known}.", where)
        choice = self._choices[name]
        self._refuse_dial(choice["dial"], where)
        return Tradeoff(name, tuple(float(choice["weights"][each]) for each in self._objectives))

    def _refuse_dial(self, dial: object, where: str) -> None:
        if dial is None or _is_as_trained(dial):
            return
        raise RequestError(f"{where}: a dial of {dial!r} is not available on vLLM, only 1; `moft serve` has all of them.", where)

    def _parsed(self, label: str) -> list[float | str] | dict[str, float | str]:
        """The weights in a model's name, in order or by objective; what is no number stays text."""
        parts = [part.strip() for part in label.split(",")]
        if not any("=" in part for part in parts):
            if len(parts) == 1 and isinstance(_read(label), str):
                self._choice(label, "model")
            return [_read(part) for part in parts]
        named: dict[str, float | str] = {}
        for part in parts:
            name, equals, value = (word.strip() for word in part.partition("="))
            if not equals or name in named:
                fault = f"{name!r} is given twice" if equals else f"{part!r} is not of the form objective=weight"
                raise RequestError(f"model: {fault}; an example is {self._example}.", "model")
            named[name] = _read(value)
        return named

    def _weights(self, value: object, where: str, *, normalize: bool) -> list[float]:
        """Checked weights in the order of the objectives; those left out are 0."""
        known = ", ".join(self._objectives)
        if isinstance(value, Mapping):
            for name in value:
                if name not in self._objectives:
                    close = difflib.get_close_matches(str(name), self._objectives, 1)
                    hint = f"; did you mean {close[0]!r}" if close else ""
                    raise RequestError(f"{where}: {name!r} is not an objective{hint}; the objectives are {known}.", where)
            value = [value.get(name, 0) for name in self._objectives]
        if not isinstance(value, list) or len(value) != len(self._objectives):
            count = f"{len(value)} numbers" if isinstance(value, list) else "something else"
            raise RequestError(f"{where}: must be one number for each of {known}, got {count}.", where)
        numbers = [_number(each) for each in value]
        if any(number is None or not math.isfinite(number) or number < 0 for number in numbers):
            raise RequestError(f"{where}: weights must be finite numbers that are not negative.", where)
        weights = [number for number in numbers if number is not None]
        total = math.fsum(weights)
        if normalize and 0 < total < math.inf:
            return [weight / total for weight in weights]
        if not abs(total - 1) <= _OFF:
            raise RequestError(f'{where}: weights must sum to 1, got {total:.6g}; "normalize": true divides by the sum.', where)
        return weights

    def _rounded(self, weights: list[float]) -> Tradeoff:
        """The nearest multiples of one step that sum to one."""
        if self._steps:
            parts = [weight / math.fsum(weights) * self._steps for weight in weights]
            whole = [math.floor(part) for part in parts]
            rest = sorted(range(len(parts)), key=lambda place: (whole[place] - parts[place], place))
            for place in rest[: self._steps - sum(whole)]:
                whole[place] += 1
            weights = [count / self._steps for count in whole]
        return Tradeoff(self.named(weights), tuple(weights))


def _is_as_trained(dial: object) -> bool:
    number = _number(dial)
    return number is not None and abs(number - 1) <= 1e-6


def _number(value: object) -> float | None:
    """A number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _read(text: str) -> float | str:
    """The number that a text is; the text itself where it is none."""
    return float(text) if len(text) <= 1000 and _PLAIN.fullmatch(text.strip(" ")) else text
