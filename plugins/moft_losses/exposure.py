"""The loss `exposure`: how far the exposure of a group of items is from what it should have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from moft.api import Asks, ListContext, Positive
from moft_losses.masked_softmax import widened
from moft_losses.smooth_ranks import exposure_shares, given


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """The exposure of a group of items, such as those of one provider, in the final ranking.

    The exposure of an item is 1/log2(rank + 1), with smooth ranks of the final scores. The group's share is its part of the
    exposure of the list. Labels and beta are not read. A list costs zero if all its items, or none, are of the group. Memory
    grows with the square of the list length. Half precision is computed, and returned, in float32.

    Args:
        attribute: the column that says which group an item belongs to.
        value: of the column, for items of the group.
        aim: `parity` costs the squared difference of the group's share of exposure from its share of the items; `more` costs one
            minus its share of exposure, so that the more it has, the better.
        temperature: of the smooth ranks, in units of scores; the spread of the base scores is a good start.

    Source: Singh and Joachims 2018 (fairness of exposure in rankings), the constraint of demographic parity, here as a loss;
    smooth ranks: Qin et al. 2010.
    """

    attribute: str
    value: float = 1.0
    aim: Literal["parity", "more"] = "parity"
    temperature: Positive = 1.0

    @property
    def asks(self) -> Asks:
        return Asks(scores=True, attributes=(self.attribute,))

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        context = given(context, "exposure")
        group = (context.attributes[self.attribute] == self.value) & mask  # [..., list]
        share = (exposure_shares(widened(context.scores), mask, self.temperature) * group).sum(-1)  # [...]
        has_both = group.any(-1) & (mask & ~group).any(-1)
        aimed = group.sum(-1) / mask.sum(-1).clamp(min=1)
        cost = 1 - share if self.aim == "more" else (share - aimed).square()
        return cost.masked_fill(~has_both, 0.0)
