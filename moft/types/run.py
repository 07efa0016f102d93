"""What observers know of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """What observers are told of a run.

    Args:
        name: the run's name.
        folder: where it writes, or None when it does not.
        config: the resolved config.
    """

    name: str
    folder: Any
    config: Mapping[str, Any]
