"""The scorer `vader`: sentiment by the VADER lexicon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from moft import ConfigError
from moft_scorers.words_and_sentences import sentences


class Vader:
    """VADER's compound sentiment, from -1 (negative) to 1 (positive); 0 without words of its lexicon. For English.

    Args:
        of: `text` rates the whole response, and saturates at -1 or 1 after a few dozen emotional words; `sentences` is the mean
            over sentences, which differs more between long responses.

    Source: Hutto and Gilbert 2014, by the authors' package vaderSentiment.
    """

    def __init__(self, *, of: Literal["text", "sentences"] = "text") -> None:
        self._analyzer = _analyzer()
        self._of = of
        where = "of the response" if of == "text" else "of a sentence, mean over the response"
        self.meaning = f"VADER's compound sentiment {where}, -1 to 1; larger is more positive"

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        return torch.tensor([self._sentiment(response) for response in responses], dtype=torch.float32)

    def _sentiment(self, text: str) -> float:
        parts = [text] if self._of == "text" else sentences(text)
        return sum(float(self._analyzer.polarity_scores(part)["compound"]) for part in parts) / max(1, len(parts))


def _analyzer() -> Any:
    """VADER with its lexicon.

    Raises:
        ConfigError: the package vaderSentiment is not installed.
    """
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise ConfigError("scorer 'vader' needs the package vaderSentiment: pip install 'moft[scorers]'.") from error
    return SentimentIntensityAnalyzer()
