"""The scorer `length`: the number of words of a response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from moft.api import NonNegative
from moft_scorers.words_and_sentences import words


class Length:
    """The number of words, its negative, or minus its distance from a target.

    Args:
        aim: `longer`, `shorter`, or the best number of words.
    """

    def __init__(self, *, aim: Literal["longer", "shorter"] | NonNegative = "longer") -> None:
        self._aim = aim
        match aim:
            case "longer":
                self.meaning = "number of words; larger is longer"
            case "shorter":
                self.meaning = "minus the number of words; larger is shorter"
            case _:
                self.meaning = f"minus the distance from {aim:g} words, in words; zero is best"

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        counts = torch.tensor([words(response) for response in responses], dtype=torch.float32)
        match self._aim:
            case "longer":
                return counts
            case "shorter":
                return -counts
            case best:
                return -(counts - best).abs()
