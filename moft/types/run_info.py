"""Name, folder and config of a run, for observers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moft.types.task_nouns import Nouns


@dataclass(frozen=True)
class Run:
    """A run, as observers see it.

    Args:
        name: the run's name.
        folder: where it writes, or None if it writes nothing.
        config: the resolved config.
        nouns: what its task calls lists and items; `list` and `item` until the task is built.
    """

    name: str
    folder: Any
    config: Mapping[str, Any]
    nouns: Nouns = field(default_factory=Nouns)
