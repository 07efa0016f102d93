"""The betas that a conditioned method trains at: checks before training, and shares that are drawn."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from moft.engine.checks.sampler_draws import checked_draws
from moft.errors import ConfigError
from moft.interfaces import AdaptiveSampler, Sampler
from moft.setting_types import Factory
from moft.types import Objective, betas_of

_DRAWS = 64  # by which a sampler is judged
_SMALLEST_SHARE = 1e-2  # the best correction grows like the inverse of a share, and a drawn share may be zero


def checked_betas(
    objectives: Sequence[Objective], weights: Factory[Sampler], betas: Factory[Sampler] | None, *, is_conditioned: bool
) -> tuple[Tensor, bool]:
    """`[n, m]`, betas as they will be in training, and whether they vary; n is 1 for the objectives' own.

    Args:
        objectives: of the task.
        weights: makes the sampler of weights.
        betas: makes the sampler of betas; None for the objectives' own.
        is_conditioned: whether there is a conditioner.

    Raises:
        ConfigError: the samplers do not fit each other, the conditioner or the objectives.
    """
    m, own = len(objectives), betas_of(objectives)
    drawn_weights = _draws(weights(m), m)
    if not torch.allclose(drawn_weights.sum(-1), torch.ones(len(drawn_weights)), atol=1e-4):
        example = _numbers(drawn_weights[0])
        raise ConfigError(f"[method.sampler] gives weights that do not sum to 1, such as {example}; use dirichlet.")
    drawn_betas = own if betas is None else _draws(_not_adaptive(betas(m)), m)
    weights_vary, betas_vary = (not rows.equal(rows[:1].expand_as(rows)) for rows in (drawn_weights, drawn_betas))
    if not is_conditioned and (weights_vary or betas_vary):
        kind, setting = ("weights", "sampler") if weights_vary else ("betas", "betas")
        raise ConfigError(f"[method.conditioner] null cannot follow {kind} that vary; use {setting}: fixed, or a conditioner.")
    if not betas_vary:
        _check_ratios(drawn_betas[:1], own, [objective.name for objective in objectives])
    return drawn_betas, betas_vary


def beta_shares(betas: Tensor) -> Tensor:
    """`[n, m]`, the shares of drawn betas `[n, m]` that are trained at; one below 0.01 counts as 0.01."""
    shares = (betas / betas.sum(-1, keepdim=True)).clamp(min=_SMALLEST_SHARE)
    return shares / shares.sum(-1, keepdim=True)


def _draws(sampler: Sampler, m: int) -> Tensor:
    """`[n, m]`, some draws of a sampler, always the same."""
    return checked_draws(sampler, _DRAWS, Generator().manual_seed(0), m)


def _not_adaptive(sampler: Sampler) -> Sampler:
    """The sampler of betas.

    Raises:
        ConfigError: it is adaptive.
    """
    if isinstance(sampler, AdaptiveSampler):
        raise ConfigError(
            "[method.betas] cannot be an adaptive sampler: only method.sampler receives the values that it needs. Use another "
            "sampler here, such as dirichlet."
        )
    return sampler


def _check_ratios(fixed: Tensor, own: Tensor, names: Sequence[str]) -> None:
    """Checks that betas `[1, m]` are a multiple of the objectives' own, at which the policy is measured."""
    ratios = fixed / own
    if not ((ratios > 0).all() and torch.allclose(ratios, ratios[:, :1].expand_as(ratios), rtol=1e-4)):
        raise ConfigError(
            f"[method.betas] is always {_numbers(fixed[0])}, which is not a multiple of the objectives' own betas, "
            f"{_numbers(own[0])}; set task.objectives.NAME.beta of {', '.join(names)} instead."
        )


def _numbers(values: Tensor) -> list[float]:
    """Numbers as a user would write them."""
    return [float(f"{value:.4g}") for value in values.tolist()]
