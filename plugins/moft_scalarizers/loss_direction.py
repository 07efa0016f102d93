"""The direction in the space of losses that objective weights define: w or 1/w."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Direction = Literal["weights", "inverse"]

FLOOR = 1e-2
"""Smaller weights count as this one, since zero has no inverse."""


def unit_direction(weights: Tensor, direction: Direction) -> Tensor:
    """`[batch, m]`, vectors of length one: along w, where losses grow with weights, or along 1/w, where they fall."""
    ray = weights if direction == "weights" else weights.clamp(min=FLOOR).reciprocal()
    length: Tensor = torch.linalg.vector_norm(ray, dim=-1, keepdim=True)
    return ray / length
