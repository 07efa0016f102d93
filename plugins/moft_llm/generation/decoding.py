"""How text is generated in batches: how tokens are chosen, and how many prompts at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from moft.api import Count, TextSettings

_FIRST = ("max_new_tokens", "greedy", "sampling_temperature", "top_k", "top_p")


@dataclass(frozen=True)
class Decoding(TextSettings):
    """How tokens are chosen.

    Args:
        batch: prompts at a time; a larger value is faster and takes more memory.
    """

    batch: Count = 32

    @property
    def changed(self) -> dict[str, Any]:
        """The settings of the text that differ from their defaults, by name."""
        own = {field.name: (getattr(self, field.name), field.default) for field in fields(TextSettings)}
        return {
            name: list(value) if isinstance(value, tuple) else value for name, (value, usual) in own.items() if value != usual
        }

    @property
    def limits(self) -> dict[str, Any]:
        """The same without those that version 0.2.0 had."""
        return {name: value for name, value in self.changed.items() if name not in _FIRST}
