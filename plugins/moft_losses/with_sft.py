"""Supervised fine-tuning beside another loss: good items are pulled up in themselves, not only above the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from moft.api import Default, Loss, NonNegative
from moft_losses.masked_softmax import masked_softmax, widened


@dataclass(frozen=True, kw_only=True)
class WithSFT:
    """A loss, plus `weight` times minus the reward of the items that the labels like: `- sum_i target_i reward_i`.

    The reference is constant, so the gradient of the second term is that of supervised fine-tuning on the items, each as often as
    its target says: softmax(sharpness x label). Losses on rewards see differences only, under which the scores of good responses
    may fall as long as those of bad ones fall further; this term keeps them from it.

    Args:
        loss: the loss it is added to.
        weight: of the term, in units of reward. 0 is the loss alone; a larger value holds good items up more.
        sharpness: what labels are multiplied by before the softmax; larger values leave only the best items.

    Source: the same term, for the chosen response of a pair: Pang et al. 2024 (iterative reasoning preference optimization),
    arXiv 2404.19733, equation 1, there divided by the response's length.
    """

    loss: Annotated[Loss, Default("listnet")]
    weight: NonNegative = 0.1
    sharpness: NonNegative = 10.0

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        wide = widened(rewards)
        cost = self.loss(rewards, labels, mask)
        low = labels.masked_fill(~mask, float("inf")).amin(-1)
        high = labels.masked_fill(~mask, float("-inf")).amax(-1)
        says = (mask.sum(-1) > 1) & (high > low)  # a list that orders nothing likes nothing
        targets = masked_softmax(labels.to(wide.dtype) * self.sharpness, mask)  # [..., list]
        term = -(targets * wide.masked_fill(~mask, 0.0)).sum(-1)
        return cost + self.weight * term.masked_fill(~says, 0.0)
