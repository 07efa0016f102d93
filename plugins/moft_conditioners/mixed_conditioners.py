"""The conditioner `mix`: several conditioners at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from moft.api import Conditioner, Delta, Factory, Injection, ModelSpec, Slot, formula_of
from moft_conditioners.prefix_length import check_prefix_length


class Mix(Conditioner):
    """Merges the injections of its parts: modulations compose in order, prefixes are concatenated, deltas add, gates multiply.

    Args:
        spec: of the model.
        parts: conditioners, in order. A list in a config in place of a conditioner is a mix of its entries.
        gate: `learned` trains a factor for each part, between 0 and 2 and initially 1, that scales the part's effect and its
            prefix; the report has the factors. `none` uses the parts unscaled.

    Raises:
        ConfigError: a part does not fit the model, or the model has no space for all prefixes together.
    """

    slots: frozenset[Slot]

    def __init__(
        self,
        spec: ModelSpec,
        *,
        parts: Annotated[list[Factory[Conditioner]], MinLen(1)],
        gate: Literal["none", "learned"] = "none",
    ) -> None:
        super().__init__()
        built = [part(spec) for part in parts]
        self.parts = nn.ModuleList(built)
        self.gate = nn.Parameter(torch.zeros(len(parts))) if gate == "learned" else None
        self.slots = frozenset[Slot]().union(*(part.slots for part in built))
        self.per_row = all(part.per_row for part in built)
        with torch.no_grad():
            prefix = self(torch.zeros(1, spec.tradeoff_size)).prefix
        check_prefix_length(spec, 0 if prefix is None else prefix.shape[1], "mix")

    def forward(self, vector: Tensor) -> Injection:
        injections: Iterator[Injection] = (part(vector) for part in self.parts)
        if self.gate is None:
            return reduce(or_, injections)
        factors = _factors(self.gate)
        return reduce(or_, (scaled(injection, factor) for injection, factor in zip(injections, factors, strict=True)))

    def formula(self) -> Mapping[str, Any]:
        return {"kind": "mix", "parts": [formula_of(part) for part in self.parts]}

    def findings(self) -> Sequence[str]:
        """A sentence with the learned factor of each part."""
        if self.gate is None:
            return ()
        factors = zip(self.parts, _factors(self.gate).tolist(), strict=True)
        text = ", ".join(f"{type(part).__name__} {factor:.2f}" for part, factor in factors)
        return (f"Factors that the mix of conditioners learned: {text} (0: no effect, 1: unscaled, 2: doubled).",)


def _factors(gate: Tensor) -> Tensor:
    """`[parts]`, between 0 and 2."""
    return 2 * gate.sigmoid()


def scaled(injection: Injection, factor: Tensor) -> Injection:
    """An injection with its effect scaled: at factor 0 none (but for a prefix of zeros), at factor 1 unchanged.

    Args:
        injection: of a part.
        factor: `[]`.
    """

    def scaled_around_one(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else 1 + factor * (tensor - 1)

    def times(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else factor * tensor

    def scaled_delta(delta: Delta) -> Delta:
        return Delta(dense=times(delta.dense)) if delta.dense is not None else replace(delta, b=times(delta.b))

    return Injection(
        {site: (scaled_around_one(scale), times(shift)) for site, (scale, shift) in injection.modulation.items()},
        times(injection.prefix),
        {layer: tuple(map(scaled_delta, deltas)) for layer, deltas in injection.deltas.items()},
        {layer: 1 + factor * (gate - 1) for layer, gate in injection.gates.items()},
    )
