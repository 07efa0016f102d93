"""Encoders of a tradeoff, Fourier features and an MLP, for the conditioner `encoded`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from moft.api import Width


@dataclass(frozen=True)
class Fourier:
    """The vector, with sines and cosines of `pi k v` for each of its entries v and k = 1, ..., `frequencies`.

    Args:
        frequencies: number of frequencies, >= 1. With more, the model can change faster between neighbouring tradeoffs.

    Source: after Tancik et al. 2020 (Fourier features), arXiv 2006.10739, with integer frequencies instead of random ones.
    """

    name: Literal["fourier"] = "fourier"
    frequencies: Width = 4

    def module(self, size: int) -> tuple[nn.Module, int]:
        """The encoder of vectors of `size` entries, and how many entries it gives."""
        return _FourierFeatures(self.frequencies), size * (1 + 2 * self.frequencies)


@dataclass(frozen=True)
class MLP:
    """A network with one hidden layer.

    Args:
        width: units of the hidden layer.
        size: number of outputs.
    """

    name: Literal["mlp"] = "mlp"
    width: Width = 32
    size: Width = 16

    def module(self, size: int) -> tuple[nn.Module, int]:
        """The encoder of vectors of `size` entries, and how many entries it gives."""
        return nn.Sequential(nn.Linear(size, self.width), nn.GELU(), nn.Linear(self.width, self.size)), self.size


class _FourierFeatures(nn.Module):
    """`[batch, size]` to `[batch, size * (1 + 2 * frequencies)]`."""

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self._frequencies = frequencies

    def forward(self, vector: Tensor) -> Tensor:
        multiples = torch.arange(1, self._frequencies + 1, device=vector.device)
        angles = (math.pi * vector.unsqueeze(-1) * multiples).flatten(1)  # [batch, size * frequencies]
        return torch.cat([vector, angles.sin(), angles.cos()], dim=-1)
