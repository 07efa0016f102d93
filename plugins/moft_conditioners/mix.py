"""Several conditioners at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Annotated, Literal

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from moft.api import Conditioner, Delta, Factory, Injection, ModelSpec, Slot
from moft_conditioners.prefix_length import check_prefix_length


class Mix(Conditioner):
    """What its parts inject, merged: modulations compose in the order of the parts, prefixes follow each other, deltas add up,
    gates multiply.

    Args:
        spec: of the model.
        parts: conditioners, in order. A list in the place of a conditioner is a mix of it.
        gate: `learned` adds a share for each part, between 0 and 2 and 1 at the start, by which its modulations, gates and
            deltas lie off what changes nothing and its prefix is multiplied, and the report tells what they became; `none` takes
            the parts as they are.

    Raises:
        ConfigError: a part does not go with the model, or it has no room for all prefixes together.
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
        shares = _shares(self.gate)
        return reduce(or_, (scaled(injection, share) for injection, share in zip(injections, shares, strict=True)))

    def findings(self) -> Sequence[str]:
        """A sentence with the learned share of each part."""
        if self.gate is None:
            return ()
        shares = zip(self.parts, _shares(self.gate).tolist(), strict=True)
        told = ", ".join(f"{type(part).__name__} {share:.2f}" for part, share in shares)
        return (f"Shares that the conditioners' mix learned: {told} (0 leaves a part out, 1 takes it as it is, 2 twice).",)


def _shares(gate: Tensor) -> Tensor:
    """`[parts]`, between 0 and 2."""
    return 2 * gate.sigmoid()


def scaled(injection: Injection, share: Tensor) -> Injection:
    """An injection that does `share` times as much: 0 leaves the model as it is but for a prefix of zeros, 1 changes nothing.

    Args:
        injection: of a part.
        share: `[]`.
    """

    def off_one(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else 1 + share * (tensor - 1)

    def times(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else share * tensor

    def lessened(delta: Delta) -> Delta:
        return Delta(dense=times(delta.dense)) if delta.dense is not None else replace(delta, b=times(delta.b))

    return Injection(
        {site: (off_one(scale), times(shift)) for site, (scale, shift) in injection.modulation.items()},
        times(injection.prefix),
        {layer: tuple(map(lessened, deltas)) for layer, deltas in injection.deltas.items()},
        {layer: 1 + share * (gate - 1) for layer, gate in injection.gates.items()},
    )
