"""The derivatives that trees are grown on: of the scalarised loss, in the output of the trees for every document and copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from moft.api import Batch, HasSumDerivatives, ObjectiveLosses, Scalarizer, WeightedSum, loss_derivatives, sum_derivatives
from moft_trees.growing import Derivatives, Floats
from moft_trees.joined_batches import join_batches


@dataclass(frozen=True)
class Copies:
    """The tradeoffs of the copies of every list that are trained on together.

    Args:
        weights: `[copies, lists, m]`.
        betas: `[copies, lists, m]`, or `[1, 1, m]` where they are fixed.
        factor: `[copies, lists]`, or `[1, 1]`: what the output of the trees is multiplied by to give the correction.
    """

    weights: Tensor
    betas: Tensor
    factor: Tensor

    def of(self, lists: slice) -> Copies:
        """Of some of the lists."""
        return Copies(
            self.weights[:, lists],
            self.betas if self.betas.shape[1] == 1 else self.betas[:, lists],
            self.factor if self.factor.shape[1] == 1 else self.factor[:, lists],
        )


class NewtonSteps:
    """First and second derivatives of the training loss, for boosting.

    Where a loss bends downwards, as those of final scores do in places, the absolute value of its second derivative counts,
    so that a step goes downhill there, too. Rows are documents in the order of the batches, each with its copies side by side.

    Args:
        batches: the training lists, without inputs.
        losses: of the objectives.
        scalarizer: makes one number of the objectives' losses.
        scale: `[m]`, factor of each objective's loss.
        is_balanced: whether the factors are for equal betas, and betas that vary are to be made up for.

    Source of the absolute values: Dauphin et al. 2014 (saddle-free Newton), arXiv 1406.2572.
    """

    def __init__(
        self, batches: Sequence[Batch], losses: ObjectiveLosses, scalarizer: Scalarizer, scale: Tensor, *, is_balanced: bool
    ) -> None:
        if all(isinstance(loss, HasSumDerivatives) for loss, _ in losses.groups):  # others may need memory for each batch
            batches = join_batches(batches)
        self._batches, self._losses, self._scalarizer, self._scale = batches, losses, scalarizer, scale
        self._is_balanced = is_balanced

    def __call__(self, outputs: Floats, copies: Copies) -> tuple[float, Derivatives, Derivatives]:
        """The mean loss of a list, and `[rows]` first and second derivatives of the loss in the outputs.

        Both derivatives are divided by the mean of the second ones, which changes no Newton step.

        Args:
            outputs: `[rows]`, of the trees.
            copies: the tradeoffs of this chunk.
        """
        count = len(copies.weights)
        table = torch.from_numpy(outputs).view(-1, count)  # [documents, copies]
        first, second = torch.zeros(table.shape), torch.zeros(table.shape)
        total, curvature, place, begin = 0.0, 0.0, 0, 0
        for batch in self._batches:
            items = batch.items.flatten().nonzero().squeeze(1)  # [documents], their places
            rows, lists = slice(begin, begin + len(items)), slice(place, place + len(batch))
            padded = torch.zeros(count, batch.items.numel())
            padded[:, items] = table[rows].T.float()
            cost, slope, bend = self._of_batch(padded.view(count, *batch.items.shape), batch, copies.of(lists))
            first[rows], second[rows] = (each.reshape(count, -1).index_select(1, items).T for each in (slope, bend))
            total, curvature = total + cost, curvature + float(second[rows].double().sum())
            place, begin = lists.stop, rows.stop
        size = curvature / second.numel() or 1.0  # without any curvature there is no Newton step, and no tree splits
        return total / (place * count), first.div_(size).flatten().numpy(), second.div_(size).flatten().numpy()

    def of_sum(self, outputs: Floats, copies: Copies, weights: Floats) -> tuple[float, Derivatives, Derivatives]:
        """As a call, but in the terms of a sum of outputs: the derivatives are summed over the copies of a document.

        The second derivatives are those of each term by itself. Both are divided by the mean of its second ones.

        Args:
            outputs: `[documents, m]`, of the trees of each objective.
            copies: the tradeoffs of this chunk.
            weights: `[documents, copies, m]`, what the outputs are multiplied by in each copy.
        """
        sums = np.einsum("dm,dcm->dc", outputs, weights)
        loss, slope, bend = self(sums.flatten(), copies)
        first = np.einsum("dc,dcm->dm", slope.reshape(sums.shape), weights)
        second = np.einsum("dc,dcm->dm", bend.reshape(sums.shape), weights**2)
        size = second.mean(0)
        size[size == 0] = 1.0
        return loss, first / size, second / size

    def _of_batch(self, outputs: Tensor, batch: Batch, copies: Copies) -> tuple[float, Tensor, Tensor]:
        """The summed loss of a batch, and its derivatives, `[copies, batch, list]`, in `outputs` of that shape."""
        factor = copies.factor.unsqueeze(-1)  # [copies, batch, 1]
        correction, scale = outputs * factor, self._scale
        if self._is_balanced:  # as in training by gradient: at the reference, a gradient is proportional to its beta
            scale = scale * copies.betas.log().mean(-1, keepdim=True).exp() / copies.betas  # [copies, batch, m]
        if isinstance(self._scalarizer, WeightedSum):
            shares = self._scalarizer.loss_shares(copies.weights.flatten(0, 1)).view_as(copies.weights) * scale
            costs, slope, bend = sum_derivatives(self._losses, correction, batch, copies.betas, shares)
            return float(costs.sum()), slope * factor, bend.abs() * factor.square()
        derivatives = loss_derivatives(self._losses, correction, batch, copies.betas)
        scaled = (derivatives.costs * scale).requires_grad_()
        with torch.enable_grad():
            cost = self._scalarizer(scaled.flatten(0, 1), copies.weights.flatten(0, 1)).sum()
            (shares,) = torch.autograd.grad(cost, scaled)
        shares = (shares * scale).unsqueeze(-1)  # [copies, batch, m, 1]
        slope, bend = (shares * derivatives.first).sum(-2), (shares * derivatives.second).sum(-2)  # [copies, batch, list]
        return float(cost.detach()), slope * factor, bend.abs() * factor.square()
