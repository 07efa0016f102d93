"""The loss `unpaired-logistic`: the logistic loss of each item, whose label says by itself whether it is good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from moft.api import Asks, Positive
from moft_losses.masked_softmax import widened


@dataclass(frozen=True, kw_only=True)
class UnpairedLogistic:
    """Mean over the items of `log(1 + exp(-r))` for good ones, with labels of 0.5 or more, and of `log(1 + exp(r))` for bad ones.

    A good item's score rises above the reference, and a bad one's falls below it, whatever else is in the list. So an item needs
    no other one to be compared with. Half precision is computed, and returned, in float32.

    Args:
        good: factor on the costs of good items, > 0; where there are n times as many bad ones, n balances the two.
        bad: factor on the costs of bad items, > 0.

    Source: Jung et al. 2024 (binary classifier optimization), arXiv 2404.04656, without its shift of rewards; the factors are
    those of KTO, Ethayarajh et al. 2024, arXiv 2402.01306.
    """

    good: Positive = 1.0
    bad: Positive = 1.0

    asks: ClassVar[Asks] = Asks(by_item=True)

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        wide = widened(rewards).masked_fill(~mask, 0.0)
        costs = torch.where(labels >= 0.5, self.good * softplus(-wide), self.bad * softplus(wide))
        return costs.masked_fill(~mask, 0.0).sum(-1) / mask.sum(-1).clamp(min=1)
