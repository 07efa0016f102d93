"""Parses objective weights and dials from the command line and from files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from moft.errors import ConfigError, DataError, ShapeError
from moft.files.json import float_of, json_of
from moft.files.plain_number import plain_number
from moft.suggestions import nearest

if TYPE_CHECKING:
    from torch import Tensor

    from moft.types import Nouns, Tradeoff

EXTREME = 1e12
"""Largest dial, and the inverse of the smallest: beyond, 32-bit scores lose the correction or the base score."""


def parse_weights(text: str, names: Sequence[str], option: str = "--weights") -> list[float]:
    """Weights in the order of `names`, from `0.2,0.8` or `clicks=0.2,dwell=0.8` (omitted objectives have weight 0).

    Args:
        text: as a user wrote it.
        names: of the objectives.
        option: where, for messages.

    Raises:
        ConfigError: a value, a name or the number of values is wrong.
    """
    weights = _entries(text, names, option, left_out=0.0)
    _check([weights], f"{option} {text!r}")
    return weights


def read_weights_file(path: Path, names: Sequence[str], nouns: Nouns | None = None) -> list[list[float]]:
    """A row of weights for each list, from a file with a JSON array of numbers on each line; blank lines at the end are skipped.

    Args:
        path: of the file.
        names: of the objectives.
        nouns: of the task, for messages.

    Raises:
        DataError: a line is malformed; the message has its number.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        where = f"{path}:{number}"
        row = json_of(line, where, f"the weights of one {nouns.list if nouns else 'list'}, such as [0.2, 0.8]")
        if not isinstance(row, list) or len(row) != len(names) or not all(map(_is_number, row)):
            raise DataError(
                f"{where}: {line[:40]!r} is not an array of {len(names)} weights, one for each of {', '.join(names)}."
            )
        rows.append(_checked([float_of(value) for value in row], where))
    return rows


def parse_dial(text: str, names: Sequence[str]) -> list[float]:
    """Factors on the trained betas, in the order of `names`.

    Args:
        text: `2` for all objectives, `1,3` in order, or `clicks=1,dwell=3` (omitted objectives have factor 1).
        names: of the objectives.

    Raises:
        ConfigError: a value, a name or the number of values is wrong.
    """
    is_one = "," not in text and "=" not in text
    factors = [_number(text, text, "--dial")] * len(names) if is_one else _entries(text, names, "--dial", left_out=1.0)
    return [checked_dial(factor) for factor in factors]


def parse_dials(given: Sequence[str], names: Sequence[str]) -> list[list[float]]:
    """Several dials, in ascending order; arguments and errors are those of `parse_dial`.

    Raises:
        ConfigError: one is given twice.
    """
    for text in given:
        parts = [part.strip() for part in text.split(",")]
        if "=" not in text and len(parts) not in (1, len(names)):
            each = " ".join(f"--dial {part}" for part in parts)
            raise ConfigError(
                f"--dial {text!r}: {len(parts)} values for {len(names)} objectives: {', '.join(names)}. For several dials, give "
                f"each by itself: {each}."
            )
    dials = [parse_dial(text, names) for text in given]
    for text, dial in zip(given, dials, strict=True):
        if dials.count(dial) > 1:
            raise ConfigError(f"--dial {text}: is given twice; give each dial once.")
    return sorted(dials)


def weights_from_json(value: object, names: Sequence[str], where: str) -> list[float]:
    """Weights in the order of `names`, from a list, or an object by name (omitted objectives have weight 0).

    Raises:
        DataError: a value, a name or the number of values is wrong; the message begins with `where`.
    """
    return _checked(_row(value, names, where, "weights", left_out=0.0), where)


def dial_from_json(value: object, names: Sequence[str], where: str) -> list[float]:
    """Factors on the trained betas in the order of `names`, from one number, a list, or an object by name.

    Raises:
        DataError: a value, a name or the number of values is wrong; the message begins with `where`.
    """
    row = [float_of(value)] * len(names) if _is_number(value) else _row(value, names, where, "dial", left_out=1.0)  # type: ignore[arg-type]
    for factor in row:
        if not 1 / EXTREME <= factor <= EXTREME:
            raise DataError(
                f"{where}: dial {factor:g} must be between {1 / EXTREME:g} and {EXTREME:g}; "
                "1 is as trained, larger moves towards the base model."
            )
    return row


def tradeoff_at(weights: Sequence[Sequence[float]], factors: Sequence[Sequence[float]], trained_betas: Tensor) -> Tradeoff:
    """Tradeoffs of weights, with `factors` (one row, or one for each row of weights) times the trained betas."""
    import torch

    from moft.types import Tradeoff

    return Tradeoff(torch.tensor(weights), torch.tensor(factors) * trained_betas).checked()


def checked_dial(dial: float) -> float:
    """The dial itself, if it is in range.

    Raises:
        ConfigError: it is not.
    """
    if not dial > 0:
        raise ConfigError(f"--dial {dial:g}: must be above 0; 1 is as trained, larger moves towards the base model.")
    if not 1 / EXTREME <= dial <= EXTREME:
        raise ConfigError(f"--dial {dial:g}: must be between {1 / EXTREME:g} and {EXTREME:g}; scores have 32 bits.")
    return dial


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _row(value: object, names: Sequence[str], where: str, what: str, *, left_out: float) -> list[float]:
    """A number for each of `names`, from a list or an object."""
    if isinstance(value, dict):
        known = ", ".join(names)
        for name in value:
            if name not in names:
                raise DataError(f"{where}: {what}: {name!r} is not an objective.{nearest(name, names)} Objectives: {known}.")
        value = [value.get(name, left_out) for name in names]
    if not isinstance(value, list) or len(value) != len(names) or not all(map(_is_number, value)):
        shown = json.dumps(value, ensure_ascii=False, default=str)[:60]
        raise DataError(f"{where}: {what} {shown} must be {len(names)} numbers, one for each of {', '.join(names)}.")
    return [float_of(number) for number in value]


def _checked(row: list[float], where: str) -> list[float]:
    """A row of weights of a file, if it is on the simplex."""
    try:
        _check([row], where)
    except ConfigError as error:
        raise DataError(str(error)) from error
    return row


def _entries(text: str, names: Sequence[str], option: str, *, left_out: float) -> list[float]:
    """A number for each of `names`, given in order or by name."""
    parts = [part.strip() for part in text.split(",")]
    named = [part.partition("=") for part in parts]
    kind = "dial" if option == "--dial" else "weight"
    if not any(equals for _, equals, _ in named):
        values = [_number(part, text, option) for part in parts]
        if len(values) != len(names):
            raise ConfigError(f"{option} {text!r}: {len(values)} values for {len(names)} objectives: {', '.join(names)}.")
        return values
    given: dict[str, float] = {}
    for name, equals, value in named:
        if not equals or name.strip() not in names or name.strip() in given:
            twice = "is given twice." if name.strip() in given else f"is not an objective.{nearest(name.strip(), names)}"
            trouble = twice if equals else f"is not of the form objective={kind}."
            raise ConfigError(f"{option} {text!r}: {name.strip()!r} {trouble} Objectives: {', '.join(names)}.")
        given[name.strip()] = _number(value, text, option)
    return [given.get(name, left_out) for name in names]


def _number(text: str, whole: str, option: str) -> float:
    try:
        return plain_number(text)
    except ValueError as error:
        raise ConfigError(f"{option} {whole!r}: {text!r} is not a number.") from error


def _check(rows: Sequence[Sequence[float]], where: str) -> None:
    import torch

    from moft.types import Tradeoff

    try:
        Tradeoff(torch.tensor(rows, dtype=torch.float64), torch.ones(1, len(rows[0]))).checked()
    except ShapeError as error:
        raise ConfigError(f"{where}: {error}") from error
