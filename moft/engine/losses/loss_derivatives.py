"""Costs of all objectives with their first and second derivatives, for methods that take Newton steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft.engine.checks.return_values import failing_as
from moft.engine.losses.objective_losses import ObjectiveLosses
from moft.errors import ShapeError
from moft.interfaces import HasDerivatives, Loss
from moft.types import Batch


@dataclass(frozen=True)
class LossDerivatives:
    """Costs of lists for each objective, and their derivatives in the correction of each item.

    Args:
        costs: `[..., batch, m]`.
        first: `[..., batch, m, list]`.
        second: `[..., batch, m, list]`, the diagonal of the second derivatives.
    """

    costs: Tensor
    first: Tensor
    second: Tensor


def loss_derivatives(losses: ObjectiveLosses, correction: Tensor, batch: Batch, betas: Tensor) -> LossDerivatives:
    """The losses of all objectives at a correction, with derivatives.

    Args:
        losses: of the objectives.
        correction: `[..., batch, list]`, score minus reference.
        batch: the lists.
        betas: `[batch, m]` or `[1, m]`.

    Raises:
        ShapeError: a loss returns something of another shape.
        PluginError: a loss fails.
    """
    factor = betas.unsqueeze(-1)  # [batch, m, 1]
    rewards = correction.detach().unsqueeze(-2) * factor  # [..., batch, m, list]
    labels = batch.labels.transpose(1, 2).expand(rewards.shape)
    mask = batch.mask.transpose(1, 2).expand(rewards.shape)
    costs, first, second = rewards.new_zeros(rewards.shape[:-1]), torch.zeros_like(rewards), torch.zeros_like(rewards)
    for loss, members in losses.groups:
        values = _derivatives(loss, *(each[..., members, :] for each in (rewards, labels, mask)))
        costs[..., members], first[..., members, :], second[..., members, :] = (value.to(rewards.dtype) for value in values)
    return LossDerivatives(costs, first * factor, second * factor.square())


def _derivatives(loss: Loss, rewards: Tensor, labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Costs `[...]`, and first and second derivatives `[..., list]` of a loss, in closed form where it has one."""
    name = type(loss).__name__
    if isinstance(loss, HasDerivatives):
        with failing_as(f"loss {name} failed on rewards {list(rewards.shape)}"):
            values = loss.derivatives(rewards, labels, mask)
        for value, shape in zip(values, (rewards.shape[:-1], rewards.shape, rewards.shape), strict=True):
            if value.shape != shape:
                raise ShapeError(f"loss {name} returned derivatives {list(value.shape)} for rewards {list(rewards.shape)}.")
        return values
    return derivatives_by_autograd(loss, rewards, labels, mask)


def derivatives_by_autograd(loss: Loss, rewards: Tensor, labels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What `HasDerivatives.derivatives` returns, of any loss, with a backward pass for each place of the list."""
    rewards = rewards.detach().requires_grad_()
    with torch.enable_grad(), failing_as(f"loss {type(loss).__name__} failed on rewards {list(rewards.shape)}"):
        costs = loss(rewards, labels, mask)
        (first,) = torch.autograd.grad(costs.sum(), rewards, create_graph=True)
        second = torch.zeros_like(rewards)
        if first.requires_grad:  # else the loss is linear
            for place in range(rewards.shape[-1]):
                (row,) = torch.autograd.grad(first[..., place].sum(), rewards, retain_graph=True, allow_unused=True)
                if row is not None:
                    second[..., place] = row[..., place]
    return costs.detach(), first.detach(), second.detach()
