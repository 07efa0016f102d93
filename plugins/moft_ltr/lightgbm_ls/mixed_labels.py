"""Mixes the labels of objectives, scaled within each query, and reads the documents that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moft.api import Batch, Batches, FeatureTable
from moft_ltr.base.canonical_order import order_of
from moft_ltr.base.lambdamart import Documents
from moft_ltr.data.content_hashes import document_hashes

GRADES = 1000
"""Steps between a mixed label of 0 and one of 1: LightGBM keeps a list of all gains."""


@dataclass(frozen=True, eq=False)
class ScaledLabels:
    """The labels of the documents of a split, each scaled to 0..1 within its query.

    Args:
        objectives: `[items, m]` float64; times the weight of the document where there is one.
        main: `[items]` float64, of the main objective.
    """

    objectives: Tensor
    main: Tensor

    def mixed(self, weights: Tensor, main_share: float) -> Tensor:
        """`[items]`, the weighted sum of the objectives' labels, mixed with the main label, in steps of a thousandth.

        Args:
            weights: `[m]`, of the objectives.
            main_share: 0 to 1, of the main label.
        """
        mixed = (1 - main_share) * (self.objectives @ weights.double()) + main_share * self.main
        mixed = mixed / mixed.max().clamp(min=1)  # weights of documents may lift it above 1; NDCG has no unit
        return (mixed * GRADES).round() / GRADES


def scaled(labels: Tensor, known: Tensor) -> Tensor:
    """`[batch, list, k]` float64, labels from 0 for the least to 1 for the largest of the query.

    Zero where a label is not known, and in a query whose known labels do not differ.

    Args:
        labels: `[batch, list, k]`.
        known: `[batch, list, k]` bool.
    """
    wide = labels.double()
    low = wide.masked_fill(~known, torch.inf).amin(1, keepdim=True)
    high = wide.masked_fill(~known, -torch.inf).amax(1, keepdim=True)
    differ = high > low
    return torch.where(known & differ, (wide - low) / torch.where(differ, high - low, 1.0), 0.0)


def scaled_labels(batch: Batch) -> Tensor:
    """`[batch, list, m + 1]` float64, the scaled labels of the objectives, by the weights of documents, and the main one last."""
    objectives = scaled(batch.labels, batch.mask)
    if batch.item_weights is not None:
        objectives = objectives * batch.item_weights
    return torch.cat([objectives, scaled(batch.main.unsqueeze(-1), batch.items.unsqueeze(-1))], dim=-1)


def read_documents(batches: Callable[[], Batches], table: FeatureTable) -> tuple[Documents, ScaledLabels]:
    """The documents of a split and their labels, in an order that depends on their content alone.

    Args:
        batches: gives the lists of the split, with the input `table`, as often as it is called, in the same order.
        table: what the task says of the features.
    """
    labels, lengths, hashes, weights = [], [], [], []
    for batch in batches():
        labels.append(scaled_labels(batch)[batch.items].cpu())
        lengths.append(batch.items.sum(1).cpu())
        hashes.append(document_hashes(_features(batch), labels[-1].float().numpy()))
        if batch.list_weights is not None:
            weights.append(batch.list_weights.cpu().repeat_interleave(lengths[-1]))
    order, sizes = order_of(np.concatenate(hashes), torch.cat(lengths).numpy())
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    features, begin = np.empty((len(order), len(table.names)), dtype=np.float32), 0
    for batch in batches():
        block = _features(batch)
        features[places[begin : begin + len(block)]] = block
        begin += len(block)
    in_order, known = torch.cat(labels)[order], torch.cat(weights)[order] if weights else None
    documents = Documents(iter([features]), torch.from_numpy(sizes), known, table.categorical)
    return documents, ScaledLabels(in_order[:, :-1], in_order[:, -1])


def _features(batch: Batch) -> NDArray[np.float32]:
    """`[n, features]`, of the documents of a batch."""
    found: NDArray[np.float32] = batch.inputs["table"][batch.items].cpu().numpy()
    return found
