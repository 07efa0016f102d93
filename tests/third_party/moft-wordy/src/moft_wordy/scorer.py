"""How long the words of a response are."""

import torch

from moft.api import NonNegative


class Wordy:
    """Mean length of the words of a response, in letters.

    Args:
        empty: the score of a response without words.
    """

    def __init__(self, *, empty: NonNegative = 0.0):
        self.empty = empty
        self.meaning = "mean length of the words, in letters; larger has longer words"

    def __call__(self, prompts, responses):
        lengths = [[len(word) for word in text.split()] for text in responses]
        return torch.tensor([sum(each) / len(each) if each else self.empty for each in lengths], dtype=torch.float32)
