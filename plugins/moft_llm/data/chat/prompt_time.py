"""The time that chat templates are told, as a run saves it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import torch
from torch import Tensor


def current_time() -> Mapping[str, Tensor]:
    """`now`, `[6]` int64: the local time, to the second."""
    return {"now": torch.tensor(datetime.now().timetuple()[:6])}


def time_of(state: Mapping[str, Tensor]) -> datetime:
    """The time that `now` of a saved state holds."""
    year, month, day, hour, minute, second = map(int, state["now"].tolist())
    return datetime(year, month, day, hour, minute, second)
