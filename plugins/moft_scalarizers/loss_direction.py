"""The ray in the space of losses that a vector of weights stands for."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Direction = Literal["weights", "inverse"]

FLOOR = 1e-2
"""A weight of zero has no inverse; below this one, objectives count as equally unimportant."""


def unit_direction(weights: Tensor, direction: Direction) -> Tensor:
    """`[batch, m]`, of length one: along w, where a loss is large with its weight, or 1/w, where it is small then."""
    ray = weights if direction == "weights" else weights.clamp(min=FLOOR).reciprocal()
    length: Tensor = torch.linalg.vector_norm(ray, dim=-1, keepdim=True)
    return ray / length
