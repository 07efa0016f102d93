"""The dials of measured points: as they stand in `front.json`, and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def dials_as_json(dials: Tensor) -> list[float | list[float]]:
    """For each point, its dial: one number if it is the same for all objectives, and else one for each.

    Args:
        dials: `[n, m]`.
    """
    return [row[0] if len(set(row)) == 1 else row for row in dials.tolist()]


def dials_of(points: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The different dials of points, in their order; empty of a file of an earlier version, which has none."""
    found: list[Any] = []
    for point in points:
        if "dial" in point and point["dial"] not in found:
            found.append(point["dial"])
    return found


def rows_of_dials(points: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """For each of the `dials_of` points, the rows that have it; all rows where there are no dials."""
    dials = dials_of(points)
    if not dials:
        return [list(range(len(points)))]
    return [[row for row, point in enumerate(points) if point.get("dial") == dial] for dial in dials]


def dial_text(dial: float | Sequence[float], separator: str = ", ") -> str:
    """A dial as short text: one number if all its factors are equal."""
    factors = [dial] if isinstance(dial, int | float) else list(dial)
    return separator.join(f"{factor:g}" for factor in (factors[:1] if len(set(factors)) == 1 else factors))


def dials_text(dials: Sequence[float | Sequence[float]]) -> str:
    """Several dials as text; those with a factor for each objective are in brackets."""
    whole = [dial_text(dial) for dial in dials]
    *others, last = [f"({text})" if "," in text and len(whole) > 1 else text for text in whole]
    return f"{', '.join(others)} and {last}" if others else last
