"""The time that chat templates are told, as a run saves it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from torch import Tensor


def time_of(state: Mapping[str, Tensor]) -> datetime:
    """The time that `now` of a saved state holds."""
    year, month, day, hour, minute, second = map(int, state["now"].tolist())
    return datetime(year, month, day, hour, minute, second)
