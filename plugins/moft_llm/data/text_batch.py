"""A batch of a language model's lists, with what those who read text need."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from moft.api import Batch


@dataclass(frozen=True)
class TextBatch(Batch):
    """Lists of one step, with their prompts as text.

    Args:
        asked: the prompt of each list as scorers read it: the text, or the last message of a chat; without a template, and whole.
        lead: what stands before every response; scorers do not read it.
    """

    asked: tuple[str, ...] = ()
    lead: str = ""

    def select(self, rows: Tensor) -> Self:
        return replace(super().select(rows), asked=tuple(self.asked[row] for row in rows.tolist()))
