"""The interface of scorers, which make one number of a response to a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Scorer(Protocol):
    """Makes one number of a response to a prompt."""

    meaning: str
    """What the number says and in which unit, in one sentence; printed with it."""

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Tensor:
        """The score of each response, independent of all others.

        Args:
            prompts: n texts, one for each response.
            responses: n texts; some may be empty, or cut off at the longest length.

        Returns: `[n]` float32 on the CPU, finite, larger is better.
        """
        ...
