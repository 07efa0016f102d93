"""Costs of all objectives with their first and second derivatives, for methods that take Newton steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from moft.engine.checks.return_values import failing_as
from moft.engine.losses.objective_losses import ObjectiveLosses, asks_of, list_context
from moft.errors import ShapeError
from moft.interfaces import HasDerivatives, HasSumDerivatives, ListContext, Loss
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


def loss_derivatives(
    losses: ObjectiveLosses, correction: Tensor, batch: Batch, betas: Tensor, which: Tensor | None = None
) -> LossDerivatives:
    """The losses of all objectives at a correction, with derivatives, times the weights of lists.

    Args:
        losses: of the objectives.
        correction: `[..., batch, list]`, score minus reference.
        batch: the lists.
        betas: `[..., batch, m]` or `[1, m]`, those of training, at which the magnitude is 1.
        which: `[..., batch, m]` bool, what is computed; the rest is zero. None for all.

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
        given = [own, labels[..., members, :], mask[..., members, :], scale]
        if which is None or bool(which[..., members].all()):
            values = _derivatives(loss, given, context)
            costs[..., members], first[..., members, :], second[..., members, :] = (value.to(rewards.dtype) for value in values)
        elif which[..., members].any():
            *rows, place = which[..., members].nonzero(as_tuple=True)  # [n] each
            some = [each[(*rows, place)].unsqueeze(-2) for each in given]  # [n, 1, list]
            values = _derivatives(loss, some, tuple(_rows(each, (*rows, place)) for each in context))
            places = (*rows, torch.tensor(members, device=place.device)[place])
            costs[places], first[places], second[places] = (value.squeeze(1).to(rewards.dtype) for value in values)
    if batch.list_weights is not None:
        weights = batch.list_weights.unsqueeze(-1)  # [batch, 1]
        costs, first, second = costs * weights, first * weights.unsqueeze(-1), second * weights.unsqueeze(-1)
    return LossDerivatives(costs, first, second)


def sum_derivatives(
    losses: ObjectiveLosses, correction: Tensor, batch: Batch, betas: Tensor, shares: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of the losses of all objectives, each times a share, with derivatives, times the weights of lists.

    Objectives are not computed for lists where their share is zero. Losses that can, and have equal rewards for all of their
    objectives, give their sum at once.

    Args:
        losses: of the objectives.
        correction: `[..., batch, list]`, score minus reference.
        batch: the lists.
        betas: as for `loss_derivatives`, with the same errors.
        shares: `[..., batch, m]`, 0 or more.

    Returns: costs `[..., batch]`, first and second derivatives `[..., batch, list]`, of the second ones the diagonal.
    """
    correction, betas = correction.detach(), betas.expand(shares.shape)
    which = shares != 0
    cost, first, second = torch.zeros_like(correction[..., 0]), torch.zeros_like(correction), torch.zeros_like(correction)
    weights = 1.0 if batch.list_weights is None else batch.list_weights.unsqueeze(-1)
    for loss, members in losses.groups:
        if not isinstance(loss, HasSumDerivatives) or not _is_plain(loss, members, batch, betas):
            continue
        beta, labels, mask = betas[..., members[:1]], batch.labels[..., members].transpose(1, 2), batch.mask[..., members[0]]
        rewards = correction * beta
        with failing_as(f"loss {type(loss).__name__} failed on rewards {list(rewards.shape)}"):
            values = loss.sum_derivatives(rewards, labels, mask, (shares * weights)[..., members])
        _check_shapes(loss, values, rewards)
        cost, first, second = cost + values[0], first + values[1] * beta, second + values[2] * beta.square()
        which[..., members] = False
    if which.any():
        rest = loss_derivatives(losses, correction, batch, betas, which)
        cost += (shares * rest.costs).sum(-1)
        first += (shares.unsqueeze(-1) * rest.first).sum(-2)
        second += (shares.unsqueeze(-1) * rest.second).sum(-2)
    return cost, first, second


def _is_plain(loss: Loss, members: list[int], batch: Batch, betas: Tensor) -> bool:
    """Whether a loss needs no context here, and its objectives have the same rewards, `betas` being `[..., m]`."""
    asks, mask, beta = asks_of(loss), batch.mask[..., members], betas[..., members]
    if asks.scores or asks.attributes or (asks.item_weights and batch.item_weights is not None):
        return False
    return bool((beta == beta[..., :1]).all()) and bool((mask == mask[..., :1]).all())


def _rows(context: ListContext, places: tuple[Tensor, ...]) -> ListContext:
    """The context of some lists, `[n, 1, list]`."""
    weights = context.item_weights
    return ListContext(
        context.scores[places].unsqueeze(-2),
        {name: values[places].unsqueeze(-2) for name, values in context.attributes.items()},
        None if weights is None else weights[places].unsqueeze(-2),
    )


def _check_shapes(loss: Loss, values: Sequence[Tensor], rewards: Tensor) -> None:
    for value, shape in zip(values, (rewards.shape[:-1], rewards.shape, rewards.shape), strict=True):
        if value.shape != shape:
            raise ShapeError(
                f"loss {type(loss).__name__} returned derivatives {list(value.shape)} for rewards {list(rewards.shape)}."
            )


def _derivatives(loss: Loss, given: Sequence[Tensor], context: tuple[ListContext, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Costs `[..., k]` of k objectives, and their derivatives `[..., k, list]` in the correction.

    Args:
        loss: of them.
        given: rewards, labels and mask, `[..., k, list]`, and betas, `[..., k, 1]`.
        context: has the reference as scores.
    """
    rewards, labels, mask, factor = given
    name = type(loss).__name__
    with failing_as(f"loss {name} failed on rewards {list(rewards.shape)}"):
        if isinstance(loss, HasDerivatives) and not asks_of(loss).scores:
            costs, first, second = loss.derivatives(rewards, labels, mask, *context)
            _check_shapes(loss, (costs, first, second), rewards)
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
