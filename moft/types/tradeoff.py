"""Objective weights and betas, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft.errors import ShapeError


@dataclass(frozen=True)
class Tradeoff:
    """Weights over the objectives, and betas: what a policy is steered to.

    Args:
        weights: `[batch, m]`, each row on the simplex. One row broadcasts.
        betas: `[batch, m]`, > 0; larger stays closer to the base model. One row broadcasts.
    """

    weights: Tensor
    betas: Tensor

    def __post_init__(self) -> None:
        for name in ("weights", "betas"):
            if getattr(self, name).dim() != 2:
                raise ShapeError(f"{name} must be [batch, m], got {list(getattr(self, name).shape)}.")
        rows, others = len(self.weights), len(self.betas)
        if self.weights.shape[1] != self.betas.shape[1] or (rows != others and 1 not in (rows, others)):
            raise ShapeError(
                f"weights {list(self.weights.shape)} and betas {list(self.betas.shape)} do not match: "
                "they need the same m, and the same number of rows, or one row."
            )

    def __len__(self) -> int:
        return max(len(self.weights), len(self.betas))

    def expand(self, rows: int) -> Tradeoff:
        """The same tradeoff with `rows` rows.

        Raises:
            ShapeError: it has neither one row nor `rows`.
        """
        if len(self) not in (1, rows):
            raise ShapeError(f"a tradeoff of {len(self)} rows cannot serve a batch of {rows}: give one row, or one per list.")
        return Tradeoff(self.weights.expand(rows, -1), self.betas.expand(rows, -1))

    def select(self, rows: Tensor) -> Tradeoff:
        """The rows `rows`, `[k]` integers, in their order."""
        whole = self.expand(len(self))
        return Tradeoff(whole.weights[rows], whole.betas[rows])

    def to(self, device: torch.device) -> Tradeoff:
        """The same tradeoff on `device`."""
        return Tradeoff(self.weights.to(device), self.betas.to(device))

    def checked(self) -> Tradeoff:
        """Itself, if its values are allowed.

        Raises:
            ShapeError: a weight is negative or not finite, a row does not sum to one, a beta is not positive.
        """
        weights, betas = self.weights, self.betas
        if not torch.isfinite(weights).all() or (weights < 0).any():
            raise ShapeError(f"weights must be finite and not negative, got {_plain(weights)}.")
        if ((weights.sum(-1) - 1).abs() > 1e-4).any():
            raise ShapeError(
                f"weights must sum to 1, got {_plain(weights)}, which sum to {_plain(weights.sum(-1, keepdim=True))}."
            )
        if not torch.isfinite(betas).all() or (betas <= 0).any():
            raise ShapeError(f"betas must be finite and above 0, got {_plain(betas)}.")
        return self


def _plain(values: Tensor) -> str:
    """The first rows as short text, for messages."""
    rows = [[float(f"{value:.4g}") for value in row] for row in values.detach().cpu()[:3].tolist()]
    return ", ".join(str(row) for row in rows) + (" ..." if len(values) > 3 else "")
