"""Positions and attention masks for rows that hold a prompt and several responses."""

from __future__ import annotations

import torch
from torch import Tensor


def positions(segments: Tensor) -> Tensor:
    """`[batch, time]` int64: the prompt counts from 0, and every response continues from its end; padding is 0.

    Args:
        segments: `[batch, time]`, 0 for the prompt, k for response k, -1 for padding; each is contiguous.
    """
    places = torch.arange(segments.shape[1], device=segments.device).expand_as(segments)
    prompt = (segments == 0).sum(1, keepdim=True)
    counted = torch.where(segments > 0, prompt + places - segment_starts(segments), places)
    return counted.masked_fill(segments < 0, 0)


def attention_mask(segments: Tensor, prefix: int) -> Tensor:
    """`[batch, prefix + time, prefix + time]` bool, True where a token (row) sees another (column).

    A token sees the prefix, the prompt and its own response, up to itself. Only padding sees padding.

    Args:
        segments: `[batch, time]`, as in `positions`.
        prefix: tokens before the prompt.
    """
    whole = torch.cat([segments.new_zeros(len(segments), prefix), segments], 1)
    queries, keys = whole.unsqueeze(2), whole.unsqueeze(1)
    return ((keys == 0) | (keys == queries)).tril_()  # [batch, prefix + time, prefix + time]


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """`[batch, 1, query, key]`: 0 where `mask` is True, the lowest finite number elsewhere; to be added to attention scores."""
    zeros = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return zeros.masked_fill_(~mask, torch.finfo(dtype).min).unsqueeze(1)


def segment_starts(segments: Tensor) -> Tensor:
    """`[batch, time]` int64, where the segment of each token begins."""
    places = torch.arange(segments.shape[1], device=segments.device).expand_as(segments)
    begins = torch.ones_like(segments, dtype=torch.bool)
    begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
    return torch.where(begins, places, 0).cummax(1).values
