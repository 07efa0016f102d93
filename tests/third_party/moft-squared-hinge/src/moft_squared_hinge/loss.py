"""Squared hinge loss of every ordered pair."""

from moft.api import Positive


class SquaredHinge:
    """Mean of `max(0, margin - (r_i - r_j))^2` over the pairs with label i above label j.

    Args:
        margin: the reward difference from which on a pair costs nothing; more moves further from the base.
    """

    def __init__(self, *, margin: Positive = 1.0):
        self.margin = margin

    def __call__(self, rewards, labels, mask):
        counted = mask.unsqueeze(-1) & mask.unsqueeze(-2)
        pairs = (labels.unsqueeze(-1) > labels.unsqueeze(-2)) & counted  # [..., list, list]
        gaps = rewards.unsqueeze(-1) - rewards.unsqueeze(-2)
        costs = (self.margin - gaps).masked_fill(~pairs, 0.0).clamp(min=0).square()
        return costs.sum((-2, -1)) / pairs.sum((-2, -1)).clamp(min=1)
