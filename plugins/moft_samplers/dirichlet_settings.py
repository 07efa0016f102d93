"""The settings that samplers of Dirichlet vectors have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from moft import ConfigError


def concentrations(name: str, size: int, alpha: float | list[float], vertices: float, edges: float) -> Tensor:
    """`[size]` float64, a concentration for each entry, once all settings are known to go together.

    Args:
        name: the sampler's registered name, for messages.
        size: number of entries of a vector.
        alpha: one for all entries, or one for each.
        vertices: share of draws that are a vertex.
        edges: share of draws on an edge.

    Raises:
        ConfigError: `alpha` has another length than the vector, the shares exceed 1, or a single entry is to have edges.
    """
    alphas = alpha if isinstance(alpha, list) else [alpha] * size
    if len(alphas) != size:
        raise ConfigError(f"[sampler] {name!r}: alpha has {len(alphas)} entries, give one number or {size} of them.")
    if vertices + edges > 1:
        raise ConfigError(f"[sampler] {name!r}: vertices + edges must be at most 1, got {vertices} + {edges}.")
    if edges > 0 and size < 2:
        raise ConfigError(f"[sampler] {name!r}: a single objective has no edges, got edges={edges}; leave it at 0.")
    return torch.tensor(alphas, dtype=torch.float64)
