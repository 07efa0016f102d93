"""Costs of all objectives with their first and second derivatives, for methods that take Newton steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from moft.engine.checks.return_values import failing_as
from moft.engine.losses.objective_losses import ObjectiveLosses, asks_of, list_context
from moft.errors import ShapeError
from moft.interfaces import HasDerivatives, ListContext, Loss
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
    """The losses of all objectives at a correction, with derivatives, times the weights of lists.

    Args:
        losses: of the objectives.
        correction: `[..., batch, list]`, score minus reference.
        batch: the lists.
        betas: `[..., batch, m]` or `[1, m]`, those of training, at which the magnitude is 1.

    Raises:
        ShapeError: a loss returns something of another shape.
        PluginError: a loss fails.
        ConfigError: a loss asks for an attribute that the task does not have.
    """
    factor = betas.unsqueeze(-1)  # [..., batch, m, 1]
    rewards = correction.detach().unsqueeze(-2) * factor  # [..., batch, m, list]
    factor = factor.expand(*rewards.shape[:-1], 1)
    labels = batch.labels.transpose(1, 2).expand(rewards.shape)
    mask = batch.mask.transpose(1, 2).expand(rewards.shape)
    costs, first, second = rewards.new_zeros(rewards.shape[:-1]), torch.zeros_like(rewards), torch.zeros_like(rewards)
    for loss, members in losses.groups:
        own, scale = rewards[..., members, :], factor[..., members, :]
        context = list_context(loss, members, batch.reference if asks_of(loss).scores else None, batch, own)
        values = _derivatives(loss, own, labels[..., members, :], mask[..., members, :], scale, context)
        costs[..., members], first[..., members, :], second[..., members, :] = (value.to(rewards.dtype) for value in values)
    if batch.list_weights is not None:
        weights = batch.list_weights.unsqueeze(-1)  # [batch, 1]
        costs, first, second = costs * weights, first * weights.unsqueeze(-1), second * weights.unsqueeze(-1)
    return LossDerivatives(costs, first, second)


def _derivatives(
    loss: Loss, rewards: Tensor, labels: Tensor, mask: Tensor, factor: Tensor, context: tuple[()] | tuple[ListContext]
) -> tuple[Tensor, Tensor, Tensor]:
    """Costs `[..., k]` of k objectives, and their derivatives `[..., k, list]` in the correction; `context` has the reference."""
    name = type(loss).__name__
    with failing_as(f"loss {name} failed on rewards {list(rewards.shape)}"):
        if isinstance(loss, HasDerivatives) and not asks_of(loss).scores:
            costs, first, second = loss.derivatives(rewards, labels, mask, *context)
            for value, shape in zip((costs, first, second), (rewards.shape[:-1], rewards.shape, rewards.shape), strict=True):
                if value.shape != shape:
                    raise ShapeError(f"loss {name} returned derivatives {list(value.shape)} for rewards {list(rewards.shape)}.")
            return costs, first * factor, second * factor.square()

        def costs_of(correction: Tensor) -> Tensor:
            if not asks_of(loss).scores:
                return loss(correction * factor, labels, mask, *context)
            final = [replace(each, scores=each.scores + correction) for each in context]
            return loss(correction * factor, labels, mask, *final)

        return derivatives_by_autograd(costs_of, rewards / factor)


def derivatives_by_autograd(costs_of: Callable[[Tensor], Tensor], values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Costs and both derivatives by autograd, with a backward pass for each place of the list.

    Args:
        costs_of: `[..., list]` to costs `[...]`.
        values: `[..., list]`, where to take them.

    Returns: `[...]`, `[..., list]` and `[..., list]`, the diagonal of the second derivatives.
    """
    values = values.detach().requires_grad_()
    with torch.enable_grad():
        costs = costs_of(values)
        (first,) = torch.autograd.grad(costs.sum(), values, create_graph=True)
        second = torch.zeros_like(values)
        if first.requires_grad:  # else the loss is linear
            for place in range(values.shape[-1]):
                (row,) = torch.autograd.grad(first[..., place].sum(), values, retain_graph=True, allow_unused=True)
                if row is not None:
                    second[..., place] = row[..., place]
    return costs.detach(), first.detach(), second.detach()
