"""Helpers of the losses: masked softmax, ordered pairs of a list, and float32 for half precision."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus

BLOCK = 2**17
"""Pairs that are computed at a time: a few matrices of so many numbers fit the cache of a processor."""


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


def logistic_derivatives(
    rewards: Tensor, labels: Tensor, mask: Tensor, weights_of: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum over pairs of `weight * log(1 + exp(-(r_i - r_j)))` and its derivatives in the rewards, block by block.

    Args:
        rewards: `[..., list]`.
        labels: `[..., list]`.
        mask: `[..., list]` bool.
        weights_of: some rows of the three, `[n, list]`, to the weights of their pairs, `[n, list, list]`; zero for pairs that do
            not count.

    Returns: `[...]`, `[..., list]` and `[..., list]`.
    """
    items = rewards.shape[-1]
    shown = rewards.detach().masked_fill(~mask, 0.0)
    rows = [each.reshape(-1, items) for each in (shown, labels, mask)]
    parts, size = [], max(1, BLOCK // max(1, items * items))
    for some in zip(*(torch.split(each, size) for each in rows), strict=True):
        weights = weights_of(*some)
        differences = some[0].unsqueeze(-1) - some[0].unsqueeze(-2)
        wrong = torch.sigmoid(-differences)  # [n, list, list]
        cost = (softplus(differences.neg_()).mul_(weights)).sum((-2, -1))
        slopes = weights.mul_(wrong)
        first = slopes.sum(-2) - slopes.sum(-1)
        bends = slopes.addcmul_(slopes, wrong, value=-1)
        parts.append((cost, first, bends.sum(-2) + bends.sum(-1)))
    cost, first, second = (torch.cat(each) for each in zip(*parts, strict=True))
    return cost.view(rewards.shape[:-1]), first.view(rewards.shape), second.view(rewards.shape)


def pair_mean(costs: Tensor, pairs: Tensor) -> Tensor:
    """Mean of `costs` over the pairs that are True, both `[..., list, list]`; zero, without gradient, if there is none.

    Returns: `[...]`.
    """
    count = pairs.sum((-2, -1))  # [...]
    return costs.masked_fill(~pairs, 0.0).sum((-2, -1)) / count.clamp(min=1)
