"""Scores rows of tokens in batches, and pads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from moft import DataError


def score_in_batches(plan: Sequence[Tensor], lengths: Tensor, score: Callable[[list[int]], Tensor], who: str) -> Tensor:
    """`[n]` float32 on the CPU, the score of each row.

    Args:
        plan: the rows of each batch; every row once.
        lengths: `[n]`, tokens of each row.
        score: returns the scores of k rows, `[k]`.
        who: the model, for messages.

    Raises:
        DataError: a score is NaN or infinite.
    """
    scores = torch.zeros(len(lengths))
    for rows in plan:
        scores[rows] = score(rows.tolist()).detach().float().cpu()
    if not bool(torch.isfinite(scores).all()):
        first = int((~torch.isfinite(scores)).nonzero()[0])
        raise DataError(
            f"{who}: the score of response {first + 1} of {len(scores)} is {scores[first].item()}; scores must be finite."
        )
    return scores


def pad(rows: Sequence[Sequence[int]], value: int, length: int | None = None) -> Tensor:
    """`[batch, time]` int64, rows padded at their end with `value`; time is that of the longest row, or `length`."""
    width = max(map(len, rows)) if length is None else length
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=torch.int64).reshape(len(rows), width)
