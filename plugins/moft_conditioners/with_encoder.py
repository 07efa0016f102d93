"""The conditioner `encoded`: another conditioner that reads an encoding of the tradeoff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any

from torch import Tensor, nn

from moft.api import Conditioner, Default, Factory, FromList, Injection, ModelSpec, Slot, formula_of
from moft_conditioners.encoders import MLP, Fourier


class Encoded(Conditioner):
    """Encodes the tradeoff before another conditioner reads it.

    Args:
        spec: of the model.
        conditioner: the other conditioner, or a list of conditioners, which share the encoder.
        encoder: `fourier` for sines and cosines, `mlp` for a small network.

    Raises:
        ConfigError: the conditioner does not fit the model.
    """

    slots: frozenset[Slot]

    def __init__(
        self,
        spec: ModelSpec,
        *,
        conditioner: Annotated[Factory[Conditioner], Default("film"), FromList("mix", "parts")],
        encoder: Fourier | MLP = Fourier(),  # noqa: B008 - a frozen record
    ) -> None:
        super().__init__()
        self.encoder: nn.Module
        self.encoder, size = encoder.module(spec.tradeoff_size)
        self.conditioner: Conditioner = conditioner(replace(spec, tradeoff_size=size))
        self._encoder = asdict(encoder)
        self.slots, self.per_row = self.conditioner.slots, self.conditioner.per_row

    def forward(self, vector: Tensor) -> Injection:
        injection: Injection = self.conditioner(self.encoder(vector))
        return injection

    def formula(self) -> Mapping[str, Any]:
        return {"kind": "encoded", "encoder": self._encoder, "conditioner": formula_of(self.conditioner)}
