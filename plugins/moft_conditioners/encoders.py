"""Features of a tradeoff, which a conditioner reads in its place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from moft.api import Count


@dataclass(frozen=True)
class Fourier:
    """The vector, and sines and cosines of `pi k v` for each of its entries v and k = 1, ..., `frequencies`.

    Args:
        frequencies: how many, >= 1. More let the model change faster between neighbouring tradeoffs.

    Source: after Tancik et al. 2020 (Fourier features), arXiv 2006.10739, with whole frequencies in place of random ones.
    """

    name: Literal["fourier"] = "fourier"
    frequencies: Count = 4

    def module(self, size: int) -> tuple[nn.Module, int]:
        """The encoder of vectors of `size` entries, and how many entries it gives."""
        return _Waves(self.frequencies), size * (1 + 2 * self.frequencies)


@dataclass(frozen=True)
class MLP:
    """A network of two layers.

    Args:
        width: units of its hidden layer.
        size: entries that it gives.
    """

    name: Literal["mlp"] = "mlp"
    width: Count = 32
    size: Count = 16

    def module(self, size: int) -> tuple[nn.Module, int]:
        """The encoder of vectors of `size` entries, and how many entries it gives."""
        return nn.Sequential(nn.Linear(size, self.width), nn.GELU(), nn.Linear(self.width, self.size)), self.size


class _Waves(nn.Module):
    """`[batch, size]` to `[batch, size * (1 + 2 * frequencies)]`."""

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self._frequencies = frequencies

    def forward(self, vector: Tensor) -> Tensor:
        multiples = torch.arange(1, self._frequencies + 1, device=vector.device)
        angles = (math.pi * vector.unsqueeze(-1) * multiples).flatten(1)  # [batch, size * frequencies]
        return torch.cat([vector, angles.sin(), angles.cos()], dim=-1)
