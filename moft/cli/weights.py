"""Weights and temperatures as a user types them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from moft.errors import ConfigError, DataError, ShapeError
from moft.hooks.spelling import nearest

if TYPE_CHECKING:
    from torch import Tensor

    from moft.types import Tradeoff

EXTREME = 1e12
"""Temperatures beyond it, or below its inverse, leave nothing of the correction or of the base score in 32 bits."""


def parsed_weights(text: str, names: Sequence[str]) -> list[float]:
    """Weights in the order of `names`, from `0.2,0.8` or `clicks=0.2,dwell=0.8` (objectives left out weigh nothing).

    Raises:
        ConfigError: their number, a name or a value is wrong.
    """
    parts = [part.strip() for part in text.split(",")]
    named = [part.partition("=") for part in parts]
    if any(equals for _, equals, _ in named):
        given: dict[str, float] = {}
        for name, equals, value in named:
            if not equals or name.strip() not in names or name.strip() in given:
                twice = "is given twice." if name.strip() in given else f"is no objective.{nearest(name.strip(), names)}"
                trouble = twice if equals else "is not of the form objective=weight."
                raise ConfigError(f"--weights {text!r}: {name.strip()!r} {trouble} Objectives: {', '.join(names)}.")
            given[name.strip()] = _number(value, text)
        weights = [given.get(name, 0.0) for name in names]
    else:
        weights = [_number(part, text) for part in parts]
        if len(weights) != len(names):
            raise ConfigError(
                f"--weights {text!r}: {len(weights)} weights, and there are {len(names)} objectives: {', '.join(names)}."
            )
    _check([weights], f"--weights {text!r}")
    return weights


def weights_of_file(path: Path, names: Sequence[str]) -> list[list[float]]:
    """A row of weights for each list, from a file with a JSON array of numbers on each line.

    Raises:
        DataError: a line is malformed; the message names it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}:{number}: {line[:40]!r} is no JSON array; each line gives one list's weights, such as [0.2, 0.8]."
            ) from error
        if not isinstance(row, list) or len(row) != len(names) or not all(map(_is_number, row)):
            raise DataError(f"{path}:{number}: {line[:40]!r} are not {len(names)} weights, one for each of {', '.join(names)}.")
        _check([row], f"{path}:{number}")
        rows.append([float(value) for value in row])
    return rows


def tradeoff_at(weights: Sequence[Sequence[float]], temperature: float, trained_at: Tensor) -> Tradeoff:
    """Tradeoffs with `temperature` times the trained temperatures.

    Raises:
        ConfigError: the temperature is not positive.
    """
    import torch

    from moft.types import Tradeoff

    return Tradeoff(torch.tensor(weights), checked_temperature(temperature) * trained_at).checked()


def checked_temperature(temperature: float) -> float:
    """Itself, when it is positive and scores can hold it.

    Raises:
        ConfigError: it is not.
    """
    if not 0 < temperature < float("inf"):
        raise ConfigError(
            f"--temperature {temperature:g}: must be above 0; 1 is as trained, larger moves towards the base model."
        )
    if not 1 / EXTREME <= temperature <= EXTREME:
        raise ConfigError(f"--temperature {temperature:g}: must be between {1 / EXTREME:g} and {EXTREME:g}; scores have 32 bits.")
    return temperature


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"--weights {whole!r}: {text!r} is no number.") from error


def _check(rows: Sequence[Sequence[float]], where: str) -> None:
    import torch

    from moft.types import Tradeoff

    try:
        Tradeoff(torch.tensor(rows, dtype=torch.float64), torch.ones(1, len(rows[0]))).checked()
    except ShapeError as error:
        raise ConfigError(f"{where}: {error}") from error
