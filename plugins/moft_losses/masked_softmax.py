"""Helpers of the losses: masked softmax, ordered pairs of a list, and float32 for half precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from moft.api import ListContext

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


def sharpened_softmax(labels: Tensor, sharpness: float, mask: Tensor) -> Tensor:
    """Softmax of `sharpness` times the labels over the items that count; zero elsewhere. All `[..., list]`.

    Where a product overflows, the labels' differences to the largest one are multiplied instead, which gives the same.
    """
    products = labels * sharpness
    fits = products.masked_fill(~mask, 0.0).isfinite().all(-1, keepdim=True)
    highest = labels.masked_fill(~mask, -torch.inf).amax(-1, keepdim=True) if labels.shape[-1] else labels
    return masked_softmax(torch.where(fits, products, (labels - highest) * sharpness), mask)


def sorted_values(values: Tensor) -> Tensor:
    """`[..., list]`, in ascending order, without gradient."""
    values = values.detach()
    if values.device.type != "cpu":
        return values.sort(-1).values
    return torch.from_numpy(np.sort(values.numpy(), axis=-1))  # many times as fast as torch's


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


def logistic_derivatives(
    rewards: Tensor,
    labels: Tensor,
    mask: Tensor,
    context: ListContext | None,
    weights_of: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum over pairs of `weight * log(1 + exp(-(r_i - r_j)))` and its derivatives in the rewards, block by block.

    Args:
        rewards: `[..., list]`.
        labels: `[..., list]`.
        mask: `[..., list]` bool.
        context: with weights of items, or None.
        weights_of: some rows of the three, `[n, list]`, to the weights of their pairs, `[n, list, list]`; zero for pairs that do
            not count.

    Returns: `[...]`, `[..., list]` and `[..., list]`.
    """
    items = rewards.shape[-1]
    shown = rewards.detach().masked_fill(~mask, 0.0)
    given = None if context is None else context.item_weights
    counts = torch.ones_like(shown) if given is None else given
    rows = [each.reshape(-1, items) for each in (shown, labels, mask, counts)]
    parts, size = [], max(1, BLOCK // max(1, items * items))
    for some in zip(*(torch.split(each, size) for each in rows), strict=True):
        weights = weights_of(*some[:3])
        if given is not None:  # of the better item
            weights = weights * some[3].unsqueeze(-1)
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
