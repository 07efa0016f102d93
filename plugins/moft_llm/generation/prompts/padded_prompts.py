"""Prompts of a batch as rows of one length, padded on the left, with a prefix right before each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def left_padded(prompts: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """`[rows, time]` int64 twice: the tokens, and a mask that is 0 for padding."""
    longest = max(map(len, prompts))
    tokens = [[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)


def with_prefix(embedded: Tensor, mask: Tensor, prefix: Tensor | None) -> tuple[Tensor, Tensor]:
    """Embeddings and mask with a prefix right before every prompt, after its padding."""
    if prefix is None:
        return embedded, mask
    ahead = prefix.shape[1]
    longer = torch.cat([torch.zeros_like(mask[:, :1]).expand(-1, ahead), mask], 1)
    starts = (longer == 0).sum(1, keepdim=True) - ahead + torch.arange(ahead, device=mask.device)  # [rows, p]
    whole = torch.cat([torch.zeros_like(embedded[:, :1]).expand(-1, ahead, -1), embedded], 1)
    whole = whole.scatter(1, starts.unsqueeze(-1).expand_as(prefix), prefix.to(whole.dtype))
    return whole, longer.scatter(1, starts, 1)
