"""Plackett-Luce: how likely the rewards make the whole ranking that the labels give."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft.api import Count
from moft_losses.masked_softmax import widened


@dataclass(frozen=True, kw_only=True)
class PlackettLuce:
    """Negative log-likelihood of the ranking by label: a softmax over the items still left, place after place.

    Items of equal label are ranked in the order in which they stand in the list, so with ties the order of the items
    matters; with many ties (clicks, say), set `top` to the places that are known, or take `listnet`. A list whose labels are
    all equal ranks nothing and costs zero. Half precision is computed, and returned, in float32.

    Args:
        top: only the first `top` places count; None is the whole ranking. A larger value asks more of the tail.

    Source: Plackett 1975; Xia et al. 2008 (ListMLE); on rewards: Rafailov et al. 2023 (DPO), appendix A.3.
    """

    top: Count | None = None

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        rewards = widened(rewards)
        limits = torch.finfo(rewards.dtype)
        labels = labels.to(rewards.dtype)
        lowered = labels.masked_fill(~mask, limits.min)
        order = lowered.argsort(dim=-1, descending=True, stable=True)  # [..., list], items that do not count come last
        counts = mask.gather(-1, order)
        ranked = rewards.gather(-1, order).masked_fill(~counts, limits.min)
        left = ranked.flip(-1).logcumsumexp(-1).flip(-1)  # [..., list], over this place and all after it
        if self.top is not None:
            counts = counts & (torch.arange(counts.shape[-1], device=counts.device) < self.top)
        cost = (left - ranked).masked_fill(~counts, 0.0).sum(-1)  # [...]
        says = lowered.amax(-1) > labels.masked_fill(~mask, limits.max).amin(-1)  # [...]
        return cost.masked_fill(~says, 0.0)
