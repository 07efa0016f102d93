"""Stops the rows of a batch whose texts have ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria

from moft_llm.generation.texts.growing_text import GrowingText


class GrowingTexts(StoppingCriteria):
    """Gives each text of a batch its tokens, and stops the rows whose text has ended.

    Args:
        texts: one for each row.
        ends: tokens that end a text.
    """

    def __init__(self, texts: Sequence[GrowingText], ends: Collection[int]) -> None:
        self._texts, self._ends = texts, ends

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        for text, token in zip(self._texts, input_ids[:, -1].tolist(), strict=True):
            if text.finish is None:
                text.take(token, self._ends)
        return torch.tensor([text.finish is not None for text in self._texts], device=input_ids.device)
