"""Prefixes and gates of an injection, checked against a model's shapes and expanded to the rows of a batch."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from moft import ShapeError


def expand_prefix(prefix: Tensor, rows: int, hidden_size: int) -> Tensor:
    """`[rows, p, hidden]`, an injected prefix for every row.

    Raises:
        ShapeError: the prefix has neither `rows` rows nor one, or another width.
    """
    if prefix.shape[-1] != hidden_size or len(prefix) not in (1, rows):
        raise ShapeError(f"the prefix of a batch of {rows} rows must be [{rows}, p, {hidden_size}], got {list(prefix.shape)}.")
    return prefix.expand(rows, -1, -1)


def expand_gates(gates: Mapping[str, Tensor], rows: int, ranks: Mapping[str, int]) -> Mapping[str, Tensor]:
    """`[rows, rank]` by layer, injected gates for every row.

    Raises:
        ShapeError: there are gates of a layer without LoRA, or with other rows or ranks.
    """
    expanded = {}
    for layer, values in gates.items():
        rank = ranks.get(layer)
        if rank is None:
            raise ShapeError(f"there are gates of {layer} ({list(values.shape)}), which has no LoRA.")
        if values.dim() != 2 or values.shape[1] != rank or len(values) not in (1, rows):
            raise ShapeError(
                f"the gates of {layer} for a batch of {rows} rows must be [{rows}, {rank}], got {list(values.shape)}."
            )
        expanded[layer] = values.expand(rows, -1)
    return expanded
