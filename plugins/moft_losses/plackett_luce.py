"""The loss `plackett-luce`: the negative log-likelihood of the ranking that the labels give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from moft.api import Asks, Count, ListContext
from moft_losses.masked_softmax import widened


@dataclass(frozen=True, kw_only=True)
class PlackettLuce:
    """Negative log-likelihood of the ranking by label: for each rank, a softmax over the items that are not yet ranked.

    Items with equal labels are ranked in the order of the list, so with ties the order of the items matters. With many ties,
    such as clicks, set `top` to the number of ranks that are known, or use `listnet`. A list whose labels are all equal costs
    zero. Half precision is computed, and returned, in float32.

    Args:
        top: number of first ranks that count; null for all. A larger value learns more from the lower ranks.

    Source: Plackett 1975; Xia et al. 2008 (ListMLE); on rewards: Rafailov et al. 2023 (DPO), appendix A.3.
    """

    top: Count | None = None

    asks: ClassVar[Asks] = Asks(item_weights=True)

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        rewards = widened(rewards)
        limits = torch.finfo(rewards.dtype)
        labels = labels.to(rewards.dtype)
        lowered = labels.masked_fill(~mask, limits.min)
        order = lowered.argsort(dim=-1, descending=True, stable=True)  # [..., list], items that do not count come last
        counts = mask.gather(-1, order)
        ranked = rewards.gather(-1, order).masked_fill(~counts, limits.min)
        left = ranked.flip(-1).logcumsumexp(-1).flip(-1)  # [..., list], over this rank and all lower ones
        if self.top is not None:
            counts = counts & (torch.arange(counts.shape[-1], device=counts.device) < self.top)
        terms = left - ranked
        if context is not None and context.item_weights is not None:
            terms = terms * context.item_weights.gather(-1, order)
        cost = terms.masked_fill(~counts, 0.0).sum(-1)  # [...]
        has_order = lowered.amax(-1) > labels.masked_fill(~mask, limits.max).amin(-1)  # [...]
        return cost.masked_fill(~has_order, 0.0)
