"""Models that are steered: what conditioners inject, what policies answer, and a policy settled on tradeoffs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from moft.types import Batch, Injection, Inputs, ModelSpec, Slot, Tradeoff

P = ParamSpec("P")
T = TypeVar("T")


class Conditioner(nn.Module, ABC):
    """Turns a tradeoff into an injection; never touches a model. Built with a `ModelSpec` left of its star."""

    slots: frozenset[Slot]
    """The slots of an injection that it fills."""

    per_row: bool = True
    """False when it serves one tradeoff at a time only; rows of a batch are then taken apart by tradeoff, which is slower."""

    @abstractmethod
    def forward(self, vector: Tensor) -> Injection:
        """The injection for each row of `vector`, `[batch, tradeoff_size]`; batch is 1 where `per_row` is False."""


class Model(nn.Module, ABC):
    """A network that scores the items of lists and reads the slots of an injection."""

    spec: ModelSpec

    is_stackable: bool = True
    """False when passes of several such models cannot be made one by `torch.func`; they are made one after another then."""

    @abstractmethod
    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        """`[batch, list]`: scores, or corrections to the reference where `spec.is_correction`."""

    def blocks(self) -> Sequence[nn.Module]:
        """Modules that are called one after another; where models are split over processes, only one of them is whole at a time.

        What is in none of them is whole while the model computes. Every process calls each of them equally often.
        """
        return ()

    def opened(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `act` gives, which calls parts of the model by themselves; where models are split, they are whole for that.

        Tensors that it gives must not share memory with weights.
        """
        return act(*args, **kwargs)


class Policy(nn.Module, ABC):
    """What every method yields: asked for a tradeoff, it scores the items of lists."""

    @abstractmethod
    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        """`[batch, list]`, score minus reference, before the magnitude of the temperatures is applied."""

    @abstractmethod
    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        """`[batch, 1]` or `[1, 1]`: what the correction is divided by, equation (14) or (15)."""

    def forward(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        """`[batch, list]`, the scores at each row's tradeoff: `reference + correction / magnitude`."""
        return batch.reference + self.correction(batch, tradeoff) / self.magnitude(tradeoff)

    def answered(self, tradeoff: Tradeoff) -> Tradeoff:
        """What is answered in place of `tradeoff`: itself, or the nearest that the policy has a model for, row by row."""
        return tradeoff

    @abstractmethod
    def answers(self, tradeoff: Tradeoff) -> Sequence[Answer]:
        """Which model and injection serve which rows of `tradeoff`, each row once: what generates text goes by these.

        For every row, the score is `reference + change / divisor`, where change is the model's output less the reference, or the
        output itself where it is a correction.
        """

    def steer(self, tradeoff: Tradeoff) -> Steered:
        """The policy settled on the n rows of `tradeoff`: scores a batch at each of them."""
        return Steered(self, tradeoff)


@dataclass(frozen=True)
class Answer:
    """The model and the injection that serve some rows of a tradeoff.

    Args:
        rows: `[k]` int64, of the tradeoff.
        model: that serves them.
        injection: of k rows.
        divisor: `[k, 1]`, what the model's change of the reference is divided by; infinite for the base model.
    """

    rows: Tensor
    model: Model
    injection: Injection
    divisor: Tensor


class Steered:
    """A policy settled on n tradeoffs; called with a batch, it gives every list's scores at each of them.

    Args:
        policy: the policy.
        tradeoff: n rows.
    """

    def __init__(self, policy: Policy, tradeoff: Tradeoff) -> None:
        self.policy = policy
        self.tradeoff = tradeoff

    def __call__(self, batch: Batch) -> Tensor:
        """`[n, batch, list]`, without gradient; the grid is folded into the batch axis, in chunks of `batch.rows`."""
        count, lists = len(self.tradeoff), len(batch)
        device = batch.reference.device
        tradeoff = self.tradeoff.to(device)
        chunks = []
        with torch.no_grad():
            for rows in torch.split(torch.arange(count * lists, device=device), batch.rows):
                chunks.append(self.policy(batch.select(rows % lists), tradeoff.select(rows // lists)))
        return torch.cat(chunks).reshape(count, lists, -1)
