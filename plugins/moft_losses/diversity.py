"""The loss `diversity`: how much of the exposure of a list few categories have."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from moft.api import Asks, ListContext, Positive
from moft_losses.masked_softmax import widened
from moft_losses.smooth_ranks import exposure_shares, given


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """The concentration of a list's exposure on categories: the sum of their squared shares (Simpson's index).

    The exposure of an item is 1/log2(rank + 1), with smooth ranks of the final scores, so categories that alternate at the top
    cost less than a block of one of them. Labels and beta are not read. A list with one category costs zero. Memory grows with
    the square of the list length. Half precision is computed, and returned, in float32.

    Args:
        attribute: the column of the category.
        temperature: of the smooth ranks, in units of scores; the spread of the base scores is a good start.

    Source of the index: Simpson 1949 (measurement of diversity); exposure: Singh and Joachims 2018; ranks: Qin et al. 2010.
    """

    attribute: str
    temperature: Positive = 1.0

    @property
    def asks(self) -> Asks:
        return Asks(scores=True, attributes=(self.attribute,))

    def __call__(self, rewards: Tensor, labels: Tensor, mask: Tensor, context: ListContext | None = None) -> Tensor:
        context = given(context, "diversity")
        category = context.attributes[self.attribute]
        shares = exposure_shares(widened(context.scores), mask, self.temperature)  # [..., list]
        same = category.unsqueeze(-1) == category.unsqueeze(-2)  # [..., list, list]
        others = ~same & mask.unsqueeze(-1) & mask.unsqueeze(-2)
        cost = (shares.unsqueeze(-1) * shares.unsqueeze(-2) * same).sum((-2, -1))
        return cost.masked_fill(~others.any(-1).any(-1), 0.0)
