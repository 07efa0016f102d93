"""The scalarizer `linear`: the weighted sum of the losses."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Linear:
    """`sum_j w_j L_j`.

    Its optima are on the convex hull of the front of losses: no weights reach a concave part of the front.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, equation 12.
    """

    def __call__(self, losses: Tensor, weights: Tensor) -> Tensor:
        return (weights * losses).sum(-1)

    def loss_shares(self, weights: Tensor) -> Tensor:
        """The weights."""
        return weights
