"""Weights along the edges of the simplex, between every two vertices."""

from __future__ import annotations

import torch
from torch import Tensor


def edge_weights(m: int, inside: int) -> tuple[Tensor, list[tuple[int, int]]]:
    """Weights along every edge of the simplex, without its ends.

    Args:
        m: objectives.
        inside: points on each edge.

    Returns: `[edges * inside, m]`, and for each row the two objectives of its edge.
    """
    rows, edges = [], []
    for first in range(m):
        for second in range(first + 1, m):
            for step in range(1, inside + 1):
                row = torch.zeros(m)
                row[second] = step / (inside + 1)
                row[first] = 1 - row[second]
                rows.append(row)
                edges.append((first, second))
    return (torch.stack(rows) if rows else torch.zeros(0, m)), edges
