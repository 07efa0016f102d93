"""Hinge loss of every ordered pair."""

from moft.api import Positive


class Hinge:
    """Mean of `max(0, margin - (r_i - r_j))` over the pairs with label i above label j.

    Args:
        margin: reward difference from which a pair costs nothing. Larger values move further from the base model.
    """

    def __init__(self, *, margin: Positive = 1.0):
        self.margin = margin

    def __call__(self, rewards, labels, mask):  # [..., list] each, to [...]
        pairs = (labels.unsqueeze(-1) > labels.unsqueeze(-2)) & mask.unsqueeze(-1) & mask.unsqueeze(-2)
        gaps = rewards.unsqueeze(-1) - rewards.unsqueeze(-2)  # [..., list, list]
        costs = (self.margin - gaps).clamp(min=0).masked_fill(~pairs, 0.0)
        return costs.sum((-2, -1)) / pairs.sum((-2, -1)).clamp(min=1)
