"""The losses of all objectives from one forward pass, and statistics of the labels before training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moft.engine.checks.return_values import blaming, failing_as
from moft.errors import PluginError, ShapeError
from moft.interfaces import Loss, Scalarizer
from moft.types import Batch, Objective, betas_of


def check_scalarizer(scalarizer: Scalarizer, m: int) -> None:
    """Checks that a scalarizer takes the losses of m objectives, before anything is trained; raises its own error if not."""
    name = f"scalarizer {type(scalarizer).__name__}"
    with failing_as(f"{name} failed on losses [2, {m}]"):
        costs: object = scalarizer(torch.ones(2, m), torch.full((2, m), 1 / m))
    if not isinstance(costs, Tensor) or costs.shape != (2,):
        found = list(costs.shape) if isinstance(costs, Tensor) else type(costs).__name__
        raise ShapeError(f"{name} returned {found} for losses [2, {m}], not [2].")


class ObjectiveLosses:
    """The loss vector (11): one loss per objective, all from one correction.

    Args:
        objectives: in order; one that names a loss keeps it.
        loss: for the others.

    Attributes:
        groups: each different loss, with the indices of its objectives.
    """

    def __init__(self, objectives: Sequence[Objective], loss: Loss) -> None:
        self.objectives = tuple(objectives)
        groups: list[tuple[Loss, list[int]]] = []
        for index, objective in enumerate(self.objectives):
            own: Loss = objective.loss if objective.loss is not None else loss
            for shared, members in groups:
                if shared == own:
                    members.append(index)
                    break
            else:
                groups.append((own, [index]))
        self.groups = groups

    def __call__(self, correction: Tensor, batch: Batch, betas: Tensor) -> Tensor:
        """`[..., batch, m]`, the cost of each list for each objective.

        Args:
            correction: `[..., batch, list]`, score minus reference; several models may have scored the lists.
            batch: the lists.
            betas: `[batch, m]` or `[1, m]`.

        Raises:
            ShapeError: a loss does not return a cost of its rewards for each list.
            PluginError: a loss fails.
        """
        rewards = correction.unsqueeze(-2) * betas.unsqueeze(-1)  # [..., batch, m, list]
        labels = batch.labels.transpose(1, 2).expand(rewards.shape)
        mask = batch.mask.transpose(1, 2).expand(rewards.shape)
        if len(self.groups) == 1:
            loss, _ = self.groups[0]
            return _costs(loss, rewards, labels, mask)
        columns = [rewards.new_zeros(0)] * len(self.objectives)
        for loss, members in self.groups:
            values = _costs(loss, *(each[..., members, :] for each in (rewards, labels, mask)))
            for index, value in zip(members, values.unbind(-1), strict=True):
                columns[index] = value
        return torch.stack(columns, dim=-1)  # [..., batch, m]


@dataclass(frozen=True)
class LabelStatistics:
    """Statistics of the training labels of each objective, at the reference.

    Args:
        lists: how many lists there are.
        labelled: `[m]`, how many of them have a loss for the objective that is not zero.
        gradient: `[m]`, mean norm over those lists of the loss's gradient in the correction, at correction zero.
    """

    lists: int
    labelled: Tensor
    gradient: Tensor

    @property
    def share(self) -> Tensor:
        """`[m]`, share of the lists that are labelled for the objective."""
        return self.labelled / self.lists


def label_statistics(losses: ObjectiveLosses, batches: Iterable[Batch], betas: Tensor) -> LabelStatistics:
    """Statistics of one pass over `batches`; no model is run.

    Args:
        losses: of the problem.
        batches: the training split.
        betas: `[1, m]`.
    """
    m = len(losses.objectives)
    lists, labelled, gradient = 0, torch.zeros(m, dtype=torch.float64), torch.zeros(m, dtype=torch.float64)
    for batch in batches:
        correction = torch.zeros_like(batch.reference, dtype=torch.float32).requires_grad_()
        values = losses(correction, batch, betas.to(correction.device))
        lists += len(batch)
        for index in range(m):
            (slope,) = torch.autograd.grad(values[:, index].sum(), correction, retain_graph=True, allow_unused=True)
            labelled[index] += (values[:, index] != 0).sum().item()
            gradient[index] += 0.0 if slope is None else slope.norm(dim=-1).sum().item()
    return LabelStatistics(lists, labelled, gradient / labelled.clamp(min=1))


def check_losses(objectives: Sequence[Objective], loss: Loss, batch: Batch) -> None:
    """Tries the losses of all objectives on the labels of some lists, before anything is trained.

    Args:
        objectives: in order.
        loss: of those that name none.
        batch: the lists.

    Raises:
        MoftError: a loss refuses the labels, fails, or returns something invalid.
    """
    with torch.no_grad():
        ObjectiveLosses(objectives, loss)(torch.zeros_like(batch.reference), batch, betas_of(objectives).to(batch.reference))


def _versions(*tensors: Tensor) -> list[int]:
    """How often each was changed in place; always 0 in inference mode, where torch does not count."""
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]


@blaming
def _costs(loss: Loss, rewards: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """What a loss returns, `[batch, m]`, once it is known to be costs; an error names the loss."""
    before = _versions(labels, mask)
    with failing_as(f"loss {type(loss).__name__} failed on rewards {list(rewards.shape)}"):
        values = loss(rewards, labels, mask)
    if _versions(labels, mask) != before:
        raise PluginError(f"loss {type(loss).__name__} changes its labels or its mask in place; it has to work on a copy.")
    return _checked(values, rewards, loss)


def _checked(costs: object, rewards: Tensor, loss: Loss) -> Tensor:
    """What a loss returned, once it is known that it can be trained on."""
    wanted = tuple(rewards.shape[:-1])
    if not isinstance(costs, Tensor) or costs.shape != wanted:
        found = f"a tensor of shape {tuple(costs.shape)}" if isinstance(costs, Tensor) else type(costs).__name__
        raise ShapeError(
            f"loss {type(loss).__name__} returned {found} for rewards of shape {tuple(rewards.shape)}; "
            f"it has to return a cost for each list, of shape {wanted}."
        )
    if rewards.requires_grad and not costs.requires_grad:
        raise ShapeError(f"loss {type(loss).__name__} returned costs without a gradient; they must be computed from the rewards.")
    return costs
