"""Lists in memory, as batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from moft.engine.data.length_batching import length_grouped
from moft.errors import ShapeError
from moft.types import Batch, Batches

_DIMENSIONS = {"features": 2, "labels": 2, "reference": 1, "main": 1}


def batches_of(
    lists: Sequence[Mapping[str, Any]], generator: Generator | None = None, *, budget: int = 1024, device: torch.device
) -> Batches:
    """One pass over lists in memory: grouped by length, padded, with `features` and `items` for the model.

    Args:
        lists: each with `features` `[items, f]` and `labels` `[items, m]`, NaN where an item is not judged. Optional are
            `reference` scores `[items]` and labels `main` `[items]`; they default to zeros. Tensors, arrays, or lists of numbers.
        generator: gives the order of the batches; None takes a fixed order.
        budget: the most items of a batch, padding included.
        device: of the batches.

    Raises:
        ShapeError: features or labels of a list are missing, or their numbers of items differ.
    """
    read = [_read(number, one) for number, one in enumerate(lists)]
    lengths = torch.tensor([len(one["features"]) for one in read])

    def load(chosen: Tensor) -> Batch:
        rows = [read[index] for index in chosen.tolist()]
        items = torch.arange(int(lengths[chosen].max())) < lengths[chosen].unsqueeze(1)  # [batch, list]
        padded = {name: pad_sequence([row[name] for row in rows], batch_first=True).to(device) for name in _DIMENSIONS}
        items, labels = items.to(device), padded["labels"]
        return Batch(
            inputs={"features": padded["features"], "items": items},
            labels=labels.nan_to_num(0.0),
            mask=items.unsqueeze(-1) & ~labels.isnan(),
            reference=padded["reference"],
            items=items,
            main=padded["main"],
            lists=chosen.to(device),
        )

    return Batches(length_grouped(lengths, budget, generator), load)


def _read(number: int, one: Mapping[str, Any]) -> dict[str, Tensor]:
    """A list's tensors, all of one length."""
    missing = [name for name in ("features", "labels") if name not in one]
    if missing:
        raise ShapeError(f"list {number} has no {' and no '.join(missing)}.")
    found = {name: torch.as_tensor(one[name], dtype=torch.float32) for name in _DIMENSIONS if name in one}
    items = len(found["features"])
    for name, tensor in found.items():
        if tensor.dim() != _DIMENSIONS[name] or len(tensor) != items:
            wanted = f"[{items}, ...]" if _DIMENSIONS[name] == 2 else f"[{items}]"
            raise ShapeError(f"list {number}: {name} must be {wanted}, got {list(tensor.shape)}.")
    return {"reference": torch.zeros(items), "main": torch.zeros(items), **found}
