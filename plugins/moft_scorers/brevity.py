"""How brief sentences are."""

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
        longest: words in a sentence from which on more are no worse. A response without a word is as bad, so that silence is
            no way to be brief.
    """

    def __init__(self, *, longest: Positive = 60.0) -> None:
        self.meaning = f"minus the mean number of words in a sentence, at least -{longest:g}; larger is briefer"
        self._longest = longest

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        return torch.tensor([-self._mean(response) for response in responses], dtype=torch.float32)

    def _mean(self, text: str) -> float:
        """Words in a sentence."""
        found = sentences(text)
        return min(self._longest, sum(map(words, found)) / len(found)) if found else self._longest
