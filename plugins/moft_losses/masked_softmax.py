"""Helpers of the losses: masked softmax, ordered pairs of a list, and float32 for half precision."""

from __future__ import annotations

import torch
from torch import Tensor

from moft.api import ListContext


def widened(values: Tensor) -> Tensor:
    """The same values, in float32 if they are in half precision, whose sums are inaccurate."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def masked_log_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Logarithm of the softmax over the items that count; zero elsewhere. All `[..., list]`."""
    masked = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return masked.log_softmax(-1).masked_fill(~mask, 0.0)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the items that count; zero elsewhere. All `[..., list]`."""
    masked = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return masked.softmax(-1).masked_fill(~mask, 0.0)


def sharpened_softmax(labels: Tensor, sharpness: float, mask: Tensor) -> Tensor:
    """Softmax of `sharpness` times the labels over the items that count; zero elsewhere. All `[..., list]`.

    Where a product overflows, the labels' differences to the largest one are multiplied instead, which gives the same.
    """
    products = labels * sharpness
    fits = products.masked_fill(~mask, 0.0).isfinite().all(-1, keepdim=True)
    highest = labels.masked_fill(~mask, -torch.inf).amax(-1, keepdim=True) if labels.shape[-1] else labels
    return masked_softmax(torch.where(fits, products, (labels - highest) * sharpness), mask)


def within_range(values: Tensor, sums: Tensor) -> Tensor:
    """`[..., list]`, values of 0 or more, divided by the largest one of each list whose sum, `[...]`, has overflowed."""
    if not values.shape[-1]:
        return values
    return values / torch.where(sums.isfinite(), 1.0, values.amax(-1)).unsqueeze(-1)


def reward_differences(rewards: Tensor, mask: Tensor) -> Tensor:
    """Reward of the row's item minus that of the column's item, zero for items that do not count.

    Returns: `[..., list, list]`.
    """
    masked = rewards.masked_fill(~mask, 0.0)
    both = mask.unsqueeze(-1) & mask.unsqueeze(-2)  # [..., list, list]
    return (masked.unsqueeze(-1) - masked.unsqueeze(-2)).masked_fill(~both, 0.0)  # [..., list, list]


def ordered_pairs(labels: Tensor, mask: Tensor) -> Tensor:
    """`[..., list, list]`, True where the row's item has a larger label than the column's item and both count."""
    return (labels.unsqueeze(-1) > labels.unsqueeze(-2)) & mask.unsqueeze(-1) & mask.unsqueeze(-2)


def weighted_pairs(costs: Tensor, context: ListContext | None) -> Tensor:
    """`[..., list, list]`, the costs of pairs times the weight of the row's item, which is the better one.

    Source: Joachims et al. 2017 (unbiased learning to rank with biased feedback), equation 9 on pairs.
    """
    weights = None if context is None else context.item_weights
    return costs if weights is None else costs * weights.unsqueeze(-1)


def pair_mean(costs: Tensor, pairs: Tensor) -> Tensor:
    """Mean of `costs` over the pairs that are True, both `[..., list, list]`; zero, without gradient, if there is none.

    Returns: `[...]`.
    """
    count = pairs.sum((-2, -1))  # [...]
    return costs.masked_fill(~pairs, 0.0).sum((-2, -1)) / count.clamp(min=1)
