"""How often a pattern stands in a response."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from moft import ConfigError
from moft_scorers.words_and_sentences import words


class Regex:
    """Matches of a regular expression, as Python's `re` finds them, in the response.

    Args:
        pattern: the expression. `^` and `$` are those of lines.
        measure: `count` is the number of matches that do not overlap, `presence` is 1 where there is any, else 0, and `share`
            is the number for each word, which a longer response does not raise by itself.
        ignore_case: whether capitals and small letters are the same.
        sign: -1 makes fewer matches better.
    """

    def __init__(
        self,
        *,
        pattern: str,
        measure: Literal["count", "presence", "share"] = "count",
        ignore_case: bool = False,
        sign: Literal[1, -1] = 1,
    ) -> None:
        try:
            self._pattern = re.compile(pattern, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"pattern {pattern!r} is no regular expression: {error}.") from error
        what = {"count": "number of matches", "presence": "1 with a match, 0 without", "share": "matches for each word"}[measure]
        minus, more = ("", "more") if sign == 1 else ("minus ", "fewer")
        self.meaning = f"{minus}{what}, of the pattern {pattern!r}; larger is {more}"
        self._measure, self._sign = measure, sign

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        return self._sign * torch.tensor([self._measured(response) for response in responses], dtype=torch.float32)

    def _measured(self, text: str) -> float:
        if self._measure == "presence":
            return float(self._pattern.search(text) is not None)
        count = sum(1 for _ in self._pattern.finditer(text))
        return float(count) if self._measure == "count" else count / max(1, words(text))
