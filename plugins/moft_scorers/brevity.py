"""The scorer `brevity`: short sentences score higher."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft.api import Positive
from moft_scorers.words_and_sentences import sentences, words


class Brevity:
    """Minus the mean number of words in a sentence.

    A sentence ends at `.`, `!`, `?` or `…` before a space, and with its line.

    Args:
        longest: longer sentences score no lower. A response without words scores as low, so that an empty one is not best.
    """

    def __init__(self, *, longest: Positive = 60.0) -> None:
        self.meaning = f"minus the mean number of words in a sentence, at least -{longest:g}; larger is briefer"
        self._longest = longest

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        return torch.tensor([-self._mean(response) for response in responses], dtype=torch.float32)

    def _mean(self, text: str) -> float:
        """Mean number of words in a sentence."""
        parts = sentences(text)
        return min(self._longest, sum(map(words, parts)) / len(parts)) if parts else self._longest
