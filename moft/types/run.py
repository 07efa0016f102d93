"""What observers know of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moft.types.nouns import Nouns


@dataclass(frozen=True)
class Run:
    """What observers are told of a run.

    Args:
        name: the run's name.
        folder: where it writes, or None when it does not.
        config: the resolved config.
        nouns: what its task calls lists and items; `list` and `item` until the task is built.
    """

    name: str
    folder: Any
    config: Mapping[str, Any]
    nouns: Nouns = field(default_factory=Nouns)
