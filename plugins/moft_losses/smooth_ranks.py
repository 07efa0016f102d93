"""Ranks of items as smooth functions of their scores, and the exposure that a rank has."""

from __future__ import annotations

import torch
from torch import Tensor

from moft import ConfigError
from moft.api import ListContext


def given(context: ListContext | None, loss: str) -> ListContext:
    """The context of a loss that cannot do without.

    Raises:
        ConfigError: there is none.
    """
    if context is None:
        raise ConfigError(
            f"the loss {loss!r} reads scores and attributes of items, which it was not given here; take another loss."
        )
    return context


def smooth_ranks(scores: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """One plus the smooth number of items above each item: the sum of sigmoid((their score - its score) / temperature).

    Args:
        scores: `[..., list]`.
        mask: `[..., list]` bool, True where the item counts.
        temperature: in units of scores; as it falls to zero, ranks become those of the sorted list, and gradients vanish.

    Returns: `[..., list]`, from 1.

    Source: Qin et al. 2010 (a general approximation framework for direct optimization of information retrieval measures).
    """
    hidden = scores.masked_fill(~mask, 0.0)
    above = torch.sigmoid((hidden.unsqueeze(-2) - hidden.unsqueeze(-1)) / temperature)  # [..., list, list], of the column's item
    counts = mask.unsqueeze(-2) & ~torch.eye(mask.shape[-1], dtype=torch.bool, device=mask.device)
    return 1 + above.masked_fill(~counts, 0.0).sum(-1)


def exposure_shares(scores: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """`[..., list]`, the share of each item in the exposure of its list, 1/log2(rank + 1); zero for items that do not count.

    Source of the exposure: Singh and Joachims 2018 (fairness of exposure in rankings).
    """
    exposure = (1 / (1 + smooth_ranks(scores, mask, temperature)).log2()).masked_fill(~mask, 0.0)
    return exposure / torch.where(mask.any(-1), exposure.sum(-1), 1.0).unsqueeze(-1)
