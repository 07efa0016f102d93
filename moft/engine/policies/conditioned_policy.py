"""Policies with one conditioned model for every tradeoff: at fixed betas, or at betas in any ratio."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from moft.engine.checks.return_values import checked_injection
from moft.engine.policies.apply_injection import conditioned_outputs, refuse_misfit, vector_by_vector
from moft.errors import ConfigError
from moft.interfaces import Assignment, Conditioner, Model, Policy
from moft.types import Batch, Injection, Tradeoff


class ConditionedPolicy(Policy):
    """One model and one conditioner; the conditioner reads the weights.

    Betas are fixed in training, and act outside the network: at c times these betas, the correction is
    divided by c, which is exact (arXiv 2410.08316, proposition 3.1 and equation 14).

    Args:
        model: the network to tune.
        conditioner: weights to injection; None leaves the model unconditioned, so it is the same for every tradeoff.
        betas: `[1, m]`, of training.

    Raises:
        ConfigError: the conditioner fills a slot that the model does not read.
    """

    betas: Tensor

    def __init__(self, model: Model, conditioner: Conditioner | None, betas: Tensor) -> None:
        super().__init__()
        self.model = model
        self.conditioner = conditioner
        if conditioner is not None:
            refuse_misfit(model.spec, conditioner)
        self.register_buffer("betas", betas.clone())

    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        outputs = conditioned_outputs(self.model, self.conditioner, batch.inputs, tradeoff.expand(len(batch)).weights)
        return outputs if self.model.spec.is_correction else outputs - batch.reference

    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        return common_multiple(tradeoff, self.betas)

    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        whole = tradeoff.expand(len(tradeoff))
        return _assignments(self.model, self.conditioner, whole.weights, self.magnitude(whole))


class TemperaturePolicy(Policy):
    """One model and one conditioner; the conditioner reads the weights and the shares of the betas.

    The shares are `betas / sum(betas)`; the sum acts outside the network, exactly, so any betas can be asked
    for. The output of the model is divided by the mean beta share under the weights: at a vertex the best correction is the
    inverse of that objective's share, times something that no beta changes, and only the latter is left to learn.

    Args:
        model: the network to tune, built for a tradeoff of `2 m`.
        conditioner: `[batch, 2 m]`, weights and then shares, to injection.

    Raises:
        ConfigError: the conditioner fills a slot that the model does not read.

    Source: Ren et al. 2024 (COS-DPO), arXiv 2410.08316, equation 15. The division by the mean share is ours.
    """

    def __init__(self, model: Model, conditioner: Conditioner) -> None:
        super().__init__()
        refuse_misfit(model.spec, conditioner)
        self.model = model
        self.conditioner = conditioner

    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        rows = tradeoff.expand(len(batch))
        shares = _shares(rows)
        vector = torch.cat([rows.weights, shares], dim=-1)  # [batch, 2 m]
        outputs = conditioned_outputs(self.model, self.conditioner, batch.inputs, vector)
        change = outputs if self.model.spec.is_correction else outputs - batch.reference
        return change / (rows.weights * shares).sum(-1, keepdim=True)

    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        return tradeoff.betas.sum(-1, keepdim=True)

    def assignments(self, tradeoff: Tradeoff) -> Sequence[Assignment]:
        whole = tradeoff.expand(len(tradeoff))
        vector = torch.cat([whole.weights, _shares(whole)], dim=-1)  # [n, 2 m]
        return _assignments(self.model, self.conditioner, vector, (whole.weights * whole.betas).sum(-1, keepdim=True))


def common_multiple(tradeoff: Tradeoff, trained: Tensor) -> Tensor:
    """`[batch, 1]`, the factor from the trained betas to those of each row.

    Args:
        tradeoff: rows of betas.
        trained: `[1, m]`, the betas of training.

    Raises:
        ConfigError: a row asks for other ratios between the objectives than those of training.
    """
    ratios = tradeoff.betas / trained  # [batch, m]
    others = (~torch.isclose(ratios, ratios[:, :1], rtol=1e-4)).any(1).nonzero().flatten().tolist()
    if others:
        given, own = ([float(f"{value:.6g}") for value in row.tolist()] for row in (tradeoff.betas[others[0]], trained[0]))
        raise ConfigError(
            f"betas {given} are not a multiple of the trained ones {own}: after training only all of "
            "them together can be scaled, unless the method was trained on betas that vary (method.betas)."
        )
    return ratios[:, :1]


def _assignments(model: Model, conditioner: Conditioner | None, vector: Tensor, divisor: Tensor) -> Sequence[Assignment]:
    """One assignment for all rows of `vector`, or one for each different row where the conditioner serves one at a time."""
    if conditioner is None or conditioner.per_row:
        injection = Injection() if conditioner is None else checked_injection(conditioner, vector, model.spec)
        return [Assignment(torch.arange(len(vector), device=vector.device), model, injection, divisor)]
    return [
        Assignment(rows, model, injection, divisor[rows]) for rows, injection in vector_by_vector(conditioner, vector, model.spec)
    ]


def _shares(tradeoff: Tradeoff) -> Tensor:
    """`[batch, m]`, each beta as a share of the row's sum."""
    return tradeoff.betas / tradeoff.betas.sum(-1, keepdim=True)
