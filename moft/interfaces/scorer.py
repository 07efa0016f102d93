"""What a scorer does: one number for a response to a prompt."""

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
        """The score of each response, which depends on no other one.

        Args:
            prompts: n texts, what each response answers.
            responses: n texts, any of which may be empty, or cut off where it was full.

        Returns: `[n]` float32 on the CPU, finite, larger is better.
        """
        ...
