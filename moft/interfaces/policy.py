"""The interface of policies, which score lists at any tradeoff."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from moft.errors import RunError
from moft.interfaces.model import Model
from moft.types import Batch, Injection, Tradeoff


class Policy(nn.Module, ABC):
    """What every method trains: for a given tradeoff, it scores the items of lists."""

    @abstractmethod
    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        """`[batch, list]`, score minus reference, before the magnitude of the betas is applied."""

    @abstractmethod
    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        """`[batch, 1]` or `[1, 1]`: what the correction is divided by, equation (14) or (15)."""

    def forward(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        """`[batch, list]`, the scores at each row's tradeoff: `reference + correction / magnitude`."""
        return batch.reference + self.correction(batch, tradeoff) / self.magnitude(tradeoff)

    def served(self, tradeoff: Tradeoff) -> Tradeoff:
        """The tradeoff that is served in place of `tradeoff`: itself, or row by row the nearest one that has a model."""
        return tradeoff

    @abstractmethod
    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        """Which model and injection serve which rows of `tradeoff`, each row once; text is generated from these.

        For every row, the score is `reference + change / divisor`, where change is the model's output minus the reference, or
        the output itself if the model gives corrections.
        """

    def steer(self, tradeoff: Tradeoff) -> Steered:
        """The policy at the n rows of `tradeoff`: scores a batch at each of them."""
        return Steered(self, tradeoff)


@dataclass(frozen=True)
class Assignment:
    """The model and the injection that serve some rows of a tradeoff.

    Args:
        rows: `[k]` int64, of the tradeoff.
        model: that serves them.
        injection: of k rows.
        divisor: `[k, 1]`, divides the change of the reference; infinite for the base model.
    """

    rows: Tensor
    model: Model
    injection: Injection
    divisor: Tensor


class Steered:
    """A policy at n fixed tradeoffs; called with a batch, it returns the scores at each of them.

    Args:
        policy: the policy.
        tradeoff: n rows.
    """

    def __init__(self, policy: Policy, tradeoff: Tradeoff) -> None:
        self.policy = policy
        self.tradeoff = tradeoff

    def __call__(self, batch: Batch) -> Tensor:
        """`[n, batch, list]`, without gradient; the grid is folded into the batch axis, in chunks of `batch.rows`.

        Raises:
            RunError: the score of an item is not finite.
        """
        count, lists = len(self.tradeoff), len(batch)
        device = batch.reference.device
        tradeoff = self.tradeoff.to(device)
        chunks = []
        with torch.no_grad():
            for rows in torch.split(torch.arange(count * lists, device=device), batch.rows):
                chunks.append(finite_scores(self.policy, batch.select(rows % lists), tradeoff.select(rows // lists)))
        return torch.cat(chunks).reshape(count, lists, -1)


def finite_scores(policy: Policy, batch: Batch, tradeoff: Tradeoff) -> Tensor:
    """`[batch, list]`, the scores of a policy.

    Raises:
        RunError: the score of an item is not finite.
    """
    scores: Tensor = policy(batch, tradeoff)
    wrong = batch.items & ~scores.isfinite()
    if wrong.any():
        row, place = wrong.nonzero()[0].tolist()
        item = int(batch.items[row, : place + 1].sum())
        raise RunError(
            f"item {item} of list {int(batch.lists[row]) + 1}: the policy gives it the score {scores[row, place].item()}, which "
            "is not a finite number. Either the policy's weights are damaged or too large, or the item's features or tokens are "
            "beyond what it was trained on."
        )
    return scores


@runtime_checkable
class ReportsFindings(Protocol):
    """A module of a policy, such as a conditioner, that reports in words what it learned."""

    def findings(self) -> Sequence[str]:
        """Sentences for the notes of each front of the policy."""
        ...
