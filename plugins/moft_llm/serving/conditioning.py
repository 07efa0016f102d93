"""What a tradeoff makes of a policy: a model, its prefix and gates, and how far it moves from the base model."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from moft.api import Injection, Policy, Tradeoff
from moft_llm.generation.model_of_policy import is_as_trained, unpack_assignment
from moft_llm.network.language_model import LanguageModel

KEPT = 16
"""Tradeoffs whose conditioning is kept; of an averaged policy, each has adapters of its own in memory."""


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A policy at one tradeoff.

    Args:
        model: that generates.
        injected: prefix and gates, of one row.
        divisor: of the change of the base model's logits; infinite for the base model.
        is_trained: the divisor is 1, so the base model's logits are not needed.
    """

    model: LanguageModel
    injected: Injection
    divisor: float
    is_trained: bool

    @property
    def is_base(self) -> bool:
        """Whether the base model alone generates."""
        return self.divisor == float("inf")

    @property
    def is_approximate(self) -> bool:
        """Whether a dial is applied token by token."""
        return not self.is_trained and not self.is_base


class Conditioning:
    """Conditions a policy on tradeoffs, all new ones of a call at once; the latest are kept.

    Args:
        policy: to be conditioned.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._device = next(policy.parameters()).device
        self._kept: OrderedDict[tuple[float, ...], Conditioned] = OrderedDict()

    def at(self, tradeoffs: Sequence[Tradeoff]) -> list[Conditioned]:
        """The policy at each of some tradeoffs of one row.

        Raises:
            ConfigError: a model is not a language model, or is injected with more than a prefix and gates.
        """
        keys = [(*one.weights.flatten().tolist(), *one.betas.flatten().tolist()) for one in tradeoffs]
        new = {key: one for key, one in zip(keys, tradeoffs, strict=True) if key not in self._kept}
        if new:
            self._add(list(new), list(new.values()))
        found = [self._kept[key] for key in keys]
        for key in keys:
            self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _add(self, keys: Sequence[tuple[float, ...]], tradeoffs: Sequence[Tradeoff]) -> None:
        rows = Tradeoff(torch.cat([one.weights for one in tradeoffs]), torch.cat([one.betas for one in tradeoffs]))
        for assignment in self._policy.assignments(rows.to(self._device)):
            model, injected = unpack_assignment(assignment)
            divisors = assignment.divisor.reshape(-1).float()
            for place, row in enumerate(assignment.rows.tolist()):
                own = injected.select(torch.tensor([place], device=self._device))
                divisor = divisors[place]
                self._kept[keys[row]] = Conditioned(model, own, float(divisor), bool(is_as_trained(divisor)))
