"""What the losses share: precision, masks and ordered pairs of one list."""

from __future__ import annotations

import torch
from torch import Tensor


def widened(values: Tensor) -> Tensor:
    """The same values, in float32 where half precision would break a sum."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def masked_log_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Logarithm of the softmax over the items that count; zero elsewhere. All `[..., list]`."""
    kept = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return kept.log_softmax(-1).masked_fill(~mask, 0.0)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the items that count; zero elsewhere. All `[..., list]`."""
    kept = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return kept.softmax(-1).masked_fill(~mask, 0.0)


def gaps(rewards: Tensor, mask: Tensor) -> Tensor:
    """Reward of the item of each row minus that of each column, zero for items that do not count.

    Returns: `[..., list, list]`.
    """
    kept = rewards.masked_fill(~mask, 0.0)
    both = mask.unsqueeze(-1) & mask.unsqueeze(-2)  # [..., list, list]
    return (kept.unsqueeze(-1) - kept.unsqueeze(-2)).masked_fill(~both, 0.0)  # [..., list, list]


def ordered_pairs(labels: Tensor, mask: Tensor) -> Tensor:
    """True where the item of the row is labelled above that of the column and both count: `[..., list, list]`."""
    return (labels.unsqueeze(-1) > labels.unsqueeze(-2)) & mask.unsqueeze(-1) & mask.unsqueeze(-2)


def pair_mean(costs: Tensor, pairs: Tensor) -> Tensor:
    """Mean of `costs` over the pairs that are True, both `[..., list, list]`; zero, without gradient, where there is none.

    Returns: `[...]`.
    """
    count = pairs.sum((-2, -1))  # [...]
    return costs.masked_fill(~pairs, 0.0).sum((-2, -1)) / count.clamp(min=1)
