"""A batch with the text of its prompts, for evaluators that generate and score text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from moft.api import Batch


@dataclass(frozen=True)
class TextBatch(Batch):
    """Lists of one step, with their prompts as text.

    Args:
        scorer_prompts: of each list: its text, or the last message of a chat; not truncated, without template.
        leading_space: spaces before every response, which scorers do not read.
        opening: the block that every prompt opens, such as `<think>`, which scorers read as the beginning of a response.
    """

    scorer_prompts: tuple[str, ...] = ()
    leading_space: str = ""
    opening: str = ""

    def select(self, rows: Tensor) -> Self:
        return replace(super().select(rows), scorer_prompts=tuple(self.scorer_prompts[row] for row in rows.tolist()))
