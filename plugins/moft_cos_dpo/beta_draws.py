"""The betas of each training step: fixed ones, or shares that are drawn for Temperature-COS-DPO."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from moft import ConfigError
from moft.api import ConditionedPolicy, Sampler, TemperaturePolicy, Trainer, beta_shares


def betas_of_steps(
    policy: ConditionedPolicy | TemperaturePolicy, sampler: Sampler | None, trainer: Trainer, draws: int, *, shared: bool
) -> Callable[[], Tensor]:
    """Gives the betas of the running step on each call: `[1, m]` if they are fixed, else `[batch * draws, m]`.

    Args:
        policy: that is trained; a `ConditionedPolicy` has fixed betas.
        sampler: of betas, for a `TemperaturePolicy`. What it draws is divided by its sum.
        trainer: whose generator they are drawn from.
        draws: for each list of the batch.
        shared: True gives every list the same ones.

    Raises:
        ConfigError: the policy needs a sampler, and there is none.
    """
    if isinstance(policy, ConditionedPolicy):
        return lambda: policy.betas
    if sampler is None:
        raise ConfigError("[method.betas] null cannot train a policy for betas that vary.")

    def drawn_shares() -> Tensor:
        betas = trainer.draw(sampler, draws, shared=shared).flatten(0, 1)  # [batch * draws, m]
        return beta_shares(betas)

    return drawn_shares
