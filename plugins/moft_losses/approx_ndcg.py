"""The loss `approx-ndcg`: one minus a smooth NDCG of the final ranking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from moft.api import Asks, ListContext, Positive
from moft_losses.lipo_lambda import label_gains, rank_discounts
from moft_losses.masked_softmax import widened
from moft_losses.smooth_ranks import smooth_ranks


@dataclass(frozen=True, kw_only=True)
class ApproxNDCG:
    """One minus NDCG over the whole list, with smooth ranks of the final scores.

    Other losses compare rewards, which the base score is not a part of. This one reads the ranking that the user will see, so an
    item that the base ranker has on top already asks for nothing. A list in which no label is above another costs zero. Memory
    grows with the square of the list length. Half precision is computed, and returned, in float32.

    Args:
        gain: of a label, as in NDCG: `linear` is the label, `exp2` is 2^label - 1. The least gain of a list counts as zero.
        temperature: of the smooth ranks, in units of scores; the spread of the base scores is a good start. A smaller value is
            closer to NDCG, and has gradients only between neighbouring scores.

    Source: Qin et al. 2010 (ApproxNDCG).
    """

    gain: Literal["linear", "exp2"] = "linear"
    temperature: Positive = 1.0

    asks: ClassVar[Asks] = Asks(scores=True, item_weights=True)

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        scores = widened(rewards if context is None else context.scores)
        gains = label_gains(labels.to(scores.dtype), mask, self.gain)  # [..., list]
        if context is not None and context.item_weights is not None:
            gains = gains * context.item_weights.to(scores.dtype)
        ideal = (gains.sort(-1, descending=True).values * rank_discounts(gains)).sum(-1)  # [...]
        found = (gains / (1 + smooth_ranks(scores, mask, self.temperature)).log2()).sum(-1)
        has_order = ideal > 0
        return (1 - found / torch.where(has_order, ideal, 1.0)).masked_fill(~has_order, 0.0)
