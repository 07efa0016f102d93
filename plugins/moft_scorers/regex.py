"""The scorer `regex`: matches of a regular expression in a response."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from moft import ConfigError
from moft_scorers.words_and_sentences import words


class Regex:
    """Matches of a regular expression in the response, in the syntax of Python's `re`.

    Args:
        pattern: the expression. `^` and `$` match at every line.
        measure: `count` is the number of matches that do not overlap; `presence` is 1 with a match, else 0; `share` is the number
            of matches per word, which does not grow with the length of a response.
        ignore_case: whether upper and lower case are the same.
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
            raise ConfigError(f"pattern {pattern!r} is not a regular expression: {error}.") from error
        what = {"count": "number of matches", "presence": "1 with a match, 0 without", "share": "matches per word"}[measure]
        minus, more = ("", "more") if sign == 1 else ("minus ", "fewer")
        self.meaning = f"{minus}{what}, of the pattern {pattern!r}; larger is {more}"
        self._measure, self._sign = measure, sign

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        return self._sign * torch.tensor([self._match(response) for response in responses], dtype=torch.float32)

    def _match(self, text: str) -> float:
        if self._measure == "presence":
            return float(self._pattern.search(text) is not None)
        count = sum(1 for _ in self._pattern.finditer(text))
        return float(count) if self._measure == "count" else count / max(1, words(text))
