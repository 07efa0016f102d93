"""How much objectives agree within each list before training: in the order of their labels, and in their gradients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from moft.engine.losses.loss_derivatives import loss_derivatives
from moft.engine.losses.objective_losses import ObjectiveLosses
from moft.types import Batch, betas_of

Values = npt.NDArray[np.float64]

ZERO = 1e-6
"""Cosines from minus this on do not count as opposed: they are zero but for rounding."""


@dataclass(frozen=True)
class ListConflicts:
    """Agreement of the objectives within each list; the lists are in no order.

    Args:
        tau: `[lists, m, m]`, Kendall's tau-b of two labels; NaN where one of them orders no two items.
        cosine: `[lists, m, m]`, the cosine of the gradients of two losses in the scores; NaN in the same lists.
        ordered: `[lists, m]`, the share of the pairs of items that a label orders.
    """

    tau: Values
    cosine: Values
    ordered: Values

    @property
    def lists(self) -> npt.NDArray[np.int64]:
        """`[m, m]`, the number of lists in which both objectives order items."""
        return np.asarray((~np.isnan(self.cosine)).sum(axis=0))

    def mean_cosine(self) -> Values:
        """`[m, m]`, over the lists that count; 0 where none does."""
        return np.asarray(np.nansum(self.cosine, axis=0) / np.maximum(self.lists, 1))

    def mean_tau(self) -> Values:
        """The same of tau-b."""
        return np.asarray(np.nansum(self.tau, axis=0) / np.maximum(self.lists, 1))

    def opposed_gradients(self) -> Values:
        """`[m, m]`, the share of the lists that count in which the gradients of two objectives have a cosine below zero."""
        return np.asarray((self.cosine < -ZERO).sum(axis=0) / np.maximum(self.lists, 1))

    def opposed_labels(self) -> Values:
        """`[m, m]`, the share of them in which two labels order more pairs of items in opposite ways than in the same way."""
        return np.asarray((self.tau < 0).sum(axis=0) / np.maximum(self.lists, 1))


def list_conflicts(losses: ObjectiveLosses, batches: Iterable[Batch]) -> ListConflicts:
    """Agreement within each list, with the gradients at the reference, where all rewards are zero; no model is run.

    Args:
        losses: of the objectives.
        batches: the lists.

    Raises:
        MoftError: a loss refuses the labels, or fails.
    """
    tau, cosine, ordered = list[Values](), list[Values](), list[Values]()
    for batch in batches:
        with torch.no_grad():
            found = loss_derivatives(losses, torch.zeros_like(batch.reference), batch, betas_of(losses.objectives))
        for row in range(len(batch)):
            items = batch.items[row]
            labels = batch.labels[row].double().masked_fill(~batch.mask[row], torch.nan)[items].cpu().numpy()
            agreement, share = label_agreement(labels)
            gradients = found.first[row][:, items].double().cpu().numpy()  # [m, items]
            sizes = np.linalg.norm(gradients, axis=-1)
            with np.errstate(invalid="ignore", divide="ignore"):
                angles = gradients @ gradients.T / np.outer(sizes, sizes)
            tau.append(agreement)
            cosine.append(np.where(np.isnan(agreement), np.nan, angles))
            ordered.append(share)
    return ListConflicts(np.stack(tau), np.stack(cosine), np.stack(ordered))


def label_agreement(labels: npt.NDArray[np.float64]) -> tuple[Values, Values]:
    """Kendall's tau-b of each pair of labels of one list, `[m, m]`, and the share of pairs that each label orders, `[m]`.

    Args:
        labels: `[items, m]`, NaN where one is missing, which orders nothing; at most 4,000 items, for the counts to be exact.

    Returns: tau-b is NaN where one of the two labels orders no two items.

    Source: Kendall 1945, the coefficient for ties in both rankings.
    """
    count, m = labels.shape
    order = np.zeros((m, count, count), dtype=np.float32)  # 1 above, -1 below; a missing label is neither
    for column, values in enumerate(labels.T):
        np.subtract(values[:, None] > values, values[:, None] < values, out=order[column], dtype=np.float32)
    flat = order.reshape(m, -1)
    together = (flat @ flat.T).astype(np.float64)  # every pair twice
    untied = np.diag(together)
    with np.errstate(invalid="ignore", divide="ignore"):
        return together / np.sqrt(np.outer(untied, untied)), untied / max(count * (count - 1), 1)
