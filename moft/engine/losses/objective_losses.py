"""The losses of all objectives from one forward pass, and statistics of the labels before training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from moft.engine.checks.return_values import blaming, failing_as
from moft.errors import ConfigError, PluginError, ShapeError
from moft.interfaces import Asks, ContextLoss, ListContext, Loss, Scalarizer
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

    @property
    def needs_scores(self) -> bool:
        """True if a loss asks for final scores, for which a call has to have a magnitude."""
        return any(asks_of(loss).scores for loss, _ in self.groups)

    def __call__(self, correction: Tensor, batch: Batch, betas: Tensor, magnitude: Tensor | None = None) -> Tensor:
        """`[..., batch, m]`, the cost of each list for each objective, times the list's weight.

        Args:
            correction: `[..., batch, list]`, score minus reference; several models may have scored the lists.
            batch: the lists.
            betas: `[batch, m]` or `[1, m]`.
            magnitude: `[batch, 1]` or `[1, 1]`, of the policy at these betas, for losses that ask for scores; None for 1.

        Raises:
            ShapeError: a loss does not return a cost of its rewards for each list.
            PluginError: a loss fails.
            ConfigError: a loss asks for an attribute that the task does not have.
        """
        costs = self.unweighted(correction, batch, betas, magnitude)
        return costs if batch.list_weights is None else costs * batch.list_weights.unsqueeze(-1)

    def unweighted(self, correction: Tensor, batch: Batch, betas: Tensor, magnitude: Tensor | None = None) -> Tensor:
        """The same without the weights of lists."""
        rewards = correction.unsqueeze(-2) * betas.unsqueeze(-1)  # [..., batch, m, list]
        labels = batch.labels.transpose(1, 2).expand(rewards.shape)
        mask = batch.mask.transpose(1, 2).expand(rewards.shape)
        scores = batch.reference + (correction if magnitude is None else correction / magnitude) if self.needs_scores else None
        if len(self.groups) == 1:
            loss, members = self.groups[0]
            return _costs(loss, rewards, labels, mask, *list_context(loss, members, scores, batch, rewards))
        columns = [rewards.new_zeros(0)] * len(self.objectives)
        for loss, members in self.groups:
            own = rewards[..., members, :]
            context = list_context(loss, members, scores, batch, own)
            values = _costs(loss, own, labels[..., members, :], mask[..., members, :], *context)
            for index, value in zip(members, values.unbind(-1), strict=True):
                columns[index] = value
        return torch.stack(columns, dim=-1)  # [..., batch, m]

    def check_item_weights(self, batch: Batch) -> None:
        """Checks that losses take the weights of items, if there are some.

        Raises:
            ConfigError: one does not.
        """
        if batch.item_weights is None:
            return
        for loss, members in self.groups:
            for index in members:
                weights = batch.item_weights[..., index]
                if not asks_of(loss).item_weights and bool((weights != 1)[batch.items].any()):
                    raise ConfigError(
                        f"{self.objectives[index].name}: its items have weights, such as inverse propensities, which loss "
                        f"{type(loss).__name__} does not take; use another loss, such as listnet."
                    )


@dataclass(frozen=True)
class LabelStatistics:
    """Statistics of the training labels of each objective, at the reference.

    Args:
        lists: how many lists there are.
        labelled: `[m]`, how many of them have a loss for the objective that is not zero.
        gradient: `[m]`, mean norm over those lists of the loss's gradient in the correction, at correction zero.
        weight: `[m]`, the share of the weights of all lists that those lists have; None where all lists count the same.
    """

    lists: int
    labelled: Tensor
    gradient: Tensor
    weight: Tensor | None = None

    @property
    def share(self) -> Tensor:
        """`[m]`, share of the lists that are labelled for the objective, by their weights."""
        return self.labelled / self.lists if self.weight is None else self.weight


def label_statistics(losses: ObjectiveLosses, batches: Iterable[Batch], betas: Tensor) -> LabelStatistics:
    """Statistics of one pass over `batches`; no model is run.

    Args:
        losses: of the problem.
        batches: the training split.
        betas: `[1, m]`.

    Raises:
        ConfigError: items have weights, and a loss of objectives whose items have them does not ask for any.
    """
    m = len(losses.objectives)
    lists, labelled, gradient = 0, torch.zeros(m, dtype=torch.float64), torch.zeros(m, dtype=torch.float64)
    known, whole = torch.zeros(m, dtype=torch.float64), 0.0  # weights of the labelled lists, and of all
    for batch in batches:
        losses.check_item_weights(batch)
        correction = torch.zeros_like(batch.reference, dtype=torch.float32).requires_grad_()
        values = losses.unweighted(correction, batch, betas.to(correction.device))
        lists += len(batch)
        weights = values.new_ones(len(batch)) if batch.list_weights is None else batch.list_weights
        whole += weights.sum().item()
        for index in range(m):
            (slope,) = torch.autograd.grad(values[:, index].sum(), correction, retain_graph=True, allow_unused=True)
            has_label = values[:, index] != 0
            labelled[index] += has_label.sum().item()
            known[index] += weights[has_label].sum().item()
            if slope is not None:
                sizes = slope.norm(dim=-1)
                gradient[index] += (sizes if batch.list_weights is None else sizes * weights).sum().item()
    is_weighted = bool((known != labelled).any())
    if not is_weighted:
        return LabelStatistics(lists, labelled, gradient / labelled.clamp(min=1))
    return LabelStatistics(lists, labelled, gradient / known.clamp(min=1e-12), known / max(whole, 1e-12))


def check_losses(objectives: Sequence[Objective], loss: Loss, batch: Batch) -> None:
    """Tries the losses of all objectives on the labels of some lists, before anything is trained.

    Args:
        objectives: in order.
        loss: of those that name none.
        batch: the lists.

    Raises:
        MoftError: a loss refuses the labels, fails, or returns something invalid.
    """
    losses = ObjectiveLosses(objectives, loss)
    losses.check_item_weights(batch)
    with torch.no_grad():
        losses(torch.zeros_like(batch.reference), batch, betas_of(objectives).to(batch.reference))


def _versions(*tensors: Tensor) -> list[int]:
    """How often each was changed in place; always 0 in inference mode, where torch does not count."""
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]


def asks_of(loss: Loss) -> Asks:
    """What a loss asks for beside rewards, labels and mask."""
    return loss.asks if isinstance(loss, ContextLoss) else Asks()


def list_context(
    loss: Loss, members: list[int], scores: Tensor | None, batch: Batch, rewards: Tensor
) -> tuple[()] | tuple[ListContext]:
    """What a loss gets beside rewards `[..., batch, members, list]`, labels and mask: nothing, or a context."""
    asks = asks_of(loss)
    weights = None
    if asks.item_weights and batch.item_weights is not None:
        weights = batch.item_weights.transpose(1, 2)[:, members].expand(rewards.shape)
    if weights is None and not asks.scores and not asks.attributes:
        return ()
    missing = [name for name in asks.attributes if name not in batch.attributes]
    if missing:
        known = ", ".join(batch.attributes) or "none"
        raise ConfigError(f"the loss {type(loss).__name__} reads the attribute {missing[0]!r}; the task has these: {known}.")
    attributes = {name: batch.attributes[name].unsqueeze(-2).expand(rewards.shape) for name in asks.attributes}
    shown = rewards.new_zeros(()) if scores is None else scores.unsqueeze(-2)
    return (ListContext(shown.expand(rewards.shape), attributes, weights),)


@blaming
def _costs(loss: Loss, rewards: Tensor, labels: Tensor, mask: Tensor, *context: ListContext) -> Tensor:
    """What a loss returns, `[batch, m]`, once it is known to be costs; an error names the loss."""
    before = _versions(labels, mask)
    with failing_as(f"loss {type(loss).__name__} failed on rewards {list(rewards.shape)}"):
        values = loss(rewards, labels, mask, *context)
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
