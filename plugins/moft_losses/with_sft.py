"""The loss `with-sft`: another loss, plus a term of supervised fine-tuning on the items with high labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from torch import Tensor

from moft.api import Asks, ContextLoss, Default, ListContext, Loss, NonNegative
from moft_losses.masked_softmax import sharpened_softmax, widened


@dataclass(frozen=True, kw_only=True)
class WithSFT:
    """`loss - weight * sum_i target_i reward_i`, where the targets are softmax(sharpness x label).

    The reference is constant, so the gradient of the second term is that of supervised fine-tuning on the items, weighted by
    their targets. Other losses depend on differences of rewards only. They allow the scores of good responses to fall, as long as
    those of bad ones fall further. This term prevents that.

    Args:
        loss: the other loss.
        weight: factor on the term, in units of reward. 0 is the other loss alone; a larger value keeps the scores of good items
            higher.
        sharpness: factor on the labels before the softmax; a larger value concentrates the term on the best items.

    Source: the same term, for the chosen response of a pair: Pang et al. 2024 (iterative reasoning preference optimization),
    arXiv 2404.19733, equation 1, there divided by the response's length.
    """

    loss: Annotated[Loss, Default("listnet")]
    weight: NonNegative = 0.1
    sharpness: NonNegative = 10.0

    @property
    def asks(self) -> Asks:
        return replace(self.loss.asks, item_weights=False) if isinstance(self.loss, ContextLoss) else Asks()

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        wide = widened(rewards)
        cost = self.loss(rewards, labels, mask, *([] if context is None else [context]))
        low = labels.masked_fill(~mask, float("inf")).amin(-1)
        high = labels.masked_fill(~mask, float("-inf")).amax(-1)
        has_order = (mask.sum(-1) > 1) & (high > low)  # [...]
        targets = sharpened_softmax(labels.to(wide.dtype), self.sharpness, mask)  # [..., list]
        term = -(targets * wide.masked_fill(~mask, 0.0)).sum(-1)
        return cost + self.weight * term.masked_fill(~has_order, 0.0)
