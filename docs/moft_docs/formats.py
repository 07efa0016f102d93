"""Measured numbers as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any


def between(value: float, ci: Sequence[float], digits: int = 2) -> str:
    """A value with its interval, in a fixed number of decimals."""
    return f"{value:.{digits}f} [{ci[0]:.{digits}f}, {ci[1]:.{digits}f}]"


def significant(value: float, ci: Sequence[float], digits: int = 4) -> str:
    """A value with its interval, in a number of significant digits."""
    return f"{value:.{digits}g} [{ci[0]:.{digits}g}, {ci[1]:.{digits}g}]"


def thousandfold(found: Mapping[str, Any]) -> str:
    """A hypervolume and its interval, times 1000."""
    return significant(1000 * found["value"], [1000 * end for end in found["ci"]])


def number(value: float) -> str:
    """A number in three significant digits; a whole or a large one with all digits before the point."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def p_value(value: float) -> str:
    """The chance of a difference as large as this where there is none."""
    return f"{value:.2g}"


def name_of(entry: str) -> str:
    """The name of a component, or several, as code; a description as it is."""
    return f"`{entry}`" if re.fullmatch(r"\[?[\w-]+(, [\w-]+)*\]?", entry) else entry
