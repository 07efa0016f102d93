"""What an export has of a run: its policy, steerable or at one tradeoff, and where its base scores come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from moft import ConfigError
from moft.api import (
    BoostedTrees,
    ConditionedPolicy,
    Conditioner,
    ContinuesTrees,
    Injection,
    Model,
    SummedTrees,
    TemperaturePolicy,
    Tradeoff,
)
from moft_ltr.base.base_source import BaseSource

if TYPE_CHECKING:
    from moft import OpenedRun


@dataclass(frozen=True, eq=False)
class ExportedPolicy:
    """A policy of one model, on the CPU.

    Args:
        model: that gives scores or corrections.
        injection: weights `[batch, m]` to what the model is given; for a frozen policy, of one row whatever they are.
        divisor: weights `[batch, m]` to what divides the correction at a dial of 1, `[batch, 1]`, or `[1, 1]`.
        tradeoff: one row, that it is frozen at; None for a policy that is steered by its inputs.
        shares: `[m]`, of the betas, where the model reads them after the weights; else empty.
    """

    model: Model
    injection: Callable[[Tensor], Injection]
    divisor: Callable[[Tensor], Tensor]
    tradeoff: Tradeoff | None
    shares: Tensor

    @property
    def trees(self) -> list[BoostedTrees]:
        """Those that the model consists of; none for a network."""
        if isinstance(self.model, SummedTrees):
            return [each for each in self.model.terms if isinstance(each, BoostedTrees)]
        return [self.model] if isinstance(self.model, BoostedTrees) else []

    @property
    def reads_weights(self) -> bool:
        """Whether it is steered, and its trees have the weights as features."""
        return self.tradeoff is None and isinstance(self.model, BoostedTrees) and self.model.spec.tradeoff_size > 0

    def terms(self, divisor: float) -> Sequence[tuple[BoostedTrees, Sequence[float], float]]:
        """Those of the output of a frozen policy of trees, divided by `divisor`."""
        return self.model.terms_at(self.injection(torch.zeros(0)), divisor) if isinstance(self.model, ContinuesTrees) else ()


def exported_policy(run: OpenedRun, tradeoff: Tradeoff | None) -> ExportedPolicy:
    """The policy of a run, to be exported.

    Args:
        run: the run.
        tradeoff: one row to freeze it at; None to leave it steerable.

    Raises:
        ConfigError: without a tradeoff, it has several models, or one that serves one tradeoff at a time.
    """
    policy, betas = deepcopy(run.policy).cpu(), run.trained_betas
    if tradeoff is not None:
        with torch.no_grad():
            (found,) = policy.assignments(tradeoff)
        model = found.model.eval().requires_grad_(False)
        return ExportedPolicy(model, lambda _: found.injection, lambda _: found.divisor, tradeoff, torch.zeros(0))
    if not isinstance(policy, ConditionedPolicy | TemperaturePolicy):
        raise ConfigError(
            f"the policy of {run.folder.path} has several models, of which an export has one: give --weights to export that."
        )
    policy.requires_grad_(False)
    conditioner, shares = policy.conditioner, torch.zeros(0)
    if conditioner is not None and not conditioner.per_row:
        raise ConfigError(
            f"the conditioner {type(conditioner).__name__} serves one tradeoff at a time, and an export that is steered serves "
            "many: give --weights to export one."
        )
    if isinstance(policy, TemperaturePolicy):
        shares = (betas / betas.sum())[0]
        return ExportedPolicy(
            policy.model,
            _injected(conditioner, shares),
            lambda weights: (weights * betas).sum(-1, keepdim=True),
            None,
            shares,
        )
    factor = policy.magnitude(Tradeoff(torch.zeros_like(betas), betas)).detach()
    return ExportedPolicy(policy.model, _injected(conditioner, shares), lambda _: factor, None, shares)


def _injected(conditioner: Conditioner | None, shares: Tensor) -> Callable[[Tensor], Injection]:
    """What a conditioner gives for weights, and for the shares of the betas, if it reads them."""
    if conditioner is None:
        return lambda _: Injection()

    def injection(weights: Tensor) -> Injection:
        vector = torch.cat([weights, shares + 0 * weights], dim=-1) if len(shares) else weights
        found: Injection = conditioner(vector)
        return found

    return injection


def base_kind(base: BaseSource) -> str:
    """What gives the base scores, in words."""
    return "a network" if base.network is not None else "a column of the data" if base.trees is None else "LightGBM trees"
