"""Joins batches of lists of similar lengths, since derivatives of few lists at a time take long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from moft.api import Batch

ITEMS, LONGER = 2**14, 1.25


def join_batches(batches: Sequence[Batch]) -> list[Batch]:
    """The same lists in the same order, in fewer batches, without inputs and raw labels.

    Batches are joined up to 2^14 items, padding included, and while the longest list is at most 1.25 times the shortest batch's.
    """
    groups: list[list[Batch]] = []
    for batch in batches:
        together = [*groups[-1], batch] if groups else [batch]
        lengths = [each.items.shape[1] for each in together]
        fits = sum(map(len, together)) * max(lengths) <= ITEMS and max(lengths) <= LONGER * min(lengths)
        if groups and fits:
            groups[-1] = together
        else:
            groups.append([batch])
    return [_joined(group) for group in groups]


def _joined(group: Sequence[Batch]) -> Batch:
    longest = max(batch.items.shape[1] for batch in group)

    def join(parts: Sequence[Tensor]) -> Tensor:
        """Of `[batch, list, ...]` each."""
        return torch.cat([pad(each, (0, 0) * (each.dim() - 2) + (0, longest - each.shape[1])) for each in parts])

    item_weights = [batch.item_weights for batch in group if batch.item_weights is not None]
    weights = [batch.list_weights for batch in group if batch.list_weights is not None]
    return replace(
        group[0],
        inputs={},
        labels=join([batch.labels for batch in group]),
        mask=join([batch.mask for batch in group]),
        reference=join([batch.reference for batch in group]),
        items=join([batch.items for batch in group]),
        main=join([batch.main for batch in group]),
        lists=torch.cat([batch.lists for batch in group]),
        raw_labels=None,
        raw_main=None,
        list_weights=torch.cat(weights) if weights else None,
        item_weights=join(item_weights) if item_weights else None,
        attributes={name: join([batch.attributes[name] for batch in group]) for name in group[0].attributes},
    )
