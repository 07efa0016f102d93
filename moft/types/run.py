"""Name, folder and config of a run, for observers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """A run, as observers see it.

    Args:
        name: the run's name.
        folder: where it writes, or None if it writes nothing.
        config: the resolved config.
    """

    name: str
    folder: Any
    config: Mapping[str, Any]
