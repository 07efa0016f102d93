"""The sampler `fixed`: always the same vector."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Generator, Tensor

from moft import ConfigError
from moft.api import NonNegative


class Fixed:
    """Always the same vector, of weights (which must sum to one) or of betas.

    Args:
        size: number of entries of a vector.
        value: the vector, each entry >= 0, not all zero.

    Raises:
        ConfigError: `value` has another length, an entry is negative or not finite, or all are zero.
    """

    def __init__(self, size: int, *, value: list[NonNegative]) -> None:
        if len(value) != size:
            raise ConfigError(
                f"[sampler] 'fixed': value has {len(value)} entries; it needs one for each of the {size} objectives."
            )
        if not all(isfinite(entry) and entry >= 0 for entry in value) or not any(value):
            raise ConfigError(f"[sampler] 'fixed': entries of value must be finite, >= 0 and not all zero, got {value}.")
        self._value = torch.tensor([value], dtype=torch.float32)

    def draw(self, count: int, generator: Generator) -> Tensor:
        return self._value.to(generator.device).repeat(count, 1)

    def grid(self, points: int) -> Tensor:
        return self._value.clone()
