"""Policies that the engine shares: one conditioned model that answers every tradeoff."""

from __future__ import annotations

import torch
from torch import Tensor

from moft.errors import ConfigError
from moft.interfaces import Conditioner, Model, Policy
from moft.types import Batch, Injection, Tradeoff


class ConditionedPolicy(Policy):
    """One model and one conditioner; the conditioner reads the weights.

    Temperatures are trained at fixed values and act outside the network: asked for c times those,
    the correction is divided by c, which is exact (arXiv 2410.08316, proposition 3.1 and equation 14).

    Args:
        model: the network to tune.
        conditioner: weights to injection; None leaves the model unconditioned, the same for every tradeoff.
        temperatures: `[1, m]`, what the policy is trained at.
    """

    temperatures: Tensor

    def __init__(self, model: Model, conditioner: Conditioner | None, temperatures: Tensor) -> None:
        super().__init__()
        self.model = model
        self.conditioner = conditioner
        self.register_buffer("temperatures", temperatures.clone())

    def correction(self, batch: Batch, tradeoff: Tradeoff) -> Tensor:
        rows = tradeoff.expand(len(batch))
        injection = Injection() if self.conditioner is None else self.conditioner(rows.weights)
        outputs: Tensor = self.model(batch.inputs, injection)  # [batch, list]
        return outputs if self.model.spec.is_correction else outputs - batch.reference

    def magnitude(self, tradeoff: Tradeoff) -> Tensor:
        ratios = tradeoff.temperatures / self.temperatures  # [batch, m]
        if not torch.allclose(ratios, ratios[:, :1].expand_as(ratios), rtol=1e-4):
            raise ConfigError(
                f"temperatures {tradeoff.temperatures[0].tolist()} are not a multiple of the trained ones "
                f"{self.temperatures[0].tolist()}: after training only all of them together can be scaled."
            )
        return ratios[:, :1]
