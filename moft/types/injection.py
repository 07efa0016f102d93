"""What a conditioner injects into a model, and the spec of a model that it is built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from moft.errors import ShapeError

Slot = Literal["modulation", "prefix", "deltas", "gates"]


@dataclass(frozen=True)
class Delta:
    """What is added to a linear layer's matrix, per row of the batch: dense, or low-rank `b @ a`.

    Args:
        dense: `[batch, out, in]`, or None.
        a: `[batch, r, in]`, or None.
        b: `[batch, out, r]`, or None.
    """

    dense: Tensor | None = None
    a: Tensor | None = None
    b: Tensor | None = None

    def __post_init__(self) -> None:
        if (self.a is None) != (self.b is None) or (self.dense is None) == (self.a is None):
            raise ShapeError("a delta is either dense, or low-rank with both a and b.")


@dataclass(frozen=True)
class Injection:
    """What a conditioner injects into a model, in four slots; an empty slot changes nothing.

    Args:
        modulation: by site, (scale, shift), each `[batch, hidden]` or None: `x * scale + shift`.
        prefix: `[batch, p, hidden]` tokens before the sequence, or None.
        deltas: by layer, what is added to its matrix; several add up.
        gates: by layer, `[batch, rank]`, factors of the inner values of its low-rank matrices: `B diag(g) A`.
    """

    modulation: Mapping[str, tuple[Tensor | None, Tensor | None]] = field(default_factory=dict)
    prefix: Tensor | None = None
    deltas: Mapping[str, tuple[Delta, ...]] = field(default_factory=dict)
    gates: Mapping[str, Tensor] = field(default_factory=dict)

    def __or__(self, other: Injection) -> Injection:
        """Both: modulations compose (this one first), prefixes follow each other, deltas add up, gates multiply."""
        modulation = dict(self.modulation)
        for site, (scale, shift) in other.modulation.items():
            modulation[site] = _composed(modulation[site], (scale, shift)) if site in modulation else (scale, shift)
        prefixes = [p for p in (self.prefix, other.prefix) if p is not None]
        deltas = {name: (*self.deltas.get(name, ()), *other.deltas.get(name, ())) for name in {**self.deltas, **other.deltas}}
        gates = {**self.gates, **{name: own * self.gates.get(name, 1) for name, own in other.gates.items()}}
        return Injection(modulation, torch.cat(prefixes, dim=1) if prefixes else None, deltas, gates)

    def select(self, rows: Tensor) -> Injection:
        """The rows `rows`, `[k]` integers, in their order; a row may be taken more than once."""

        def at(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[rows]

        return Injection(
            {site: (at(scale), at(shift)) for site, (scale, shift) in self.modulation.items()},
            at(self.prefix),
            {layer: tuple(Delta(at(one.dense), at(one.a), at(one.b)) for one in own) for layer, own in self.deltas.items()},
            {layer: own[rows] for layer, own in self.gates.items()},
        )


@dataclass(frozen=True)
class ModelSpec:
    """What a conditioner needs to know about a model.

    Args:
        tradeoff_size: width of the vector that conditioners read.
        hidden_size: width of the sites and of the prefix.
        slots: the slots of an injection that the model reads.
        sites: names of the sites that can be modulated, from input to output.
        shapes: `(out, in)` of each linear layer that takes deltas.
        is_correction: True when the model's output is added to the reference scores (`augmentation`),
            False when it is the score itself.
        prefix_starts: `[k, hidden]`, embeddings of ordinary tokens that a prefix may start from; None if there are none.
        ranks: of each layer whose low-rank factors take gates.
        max_prefix: largest number of prefix tokens; None for no limit.
        name: what messages call the model.
    """

    tradeoff_size: int
    hidden_size: int
    slots: frozenset[Slot] = frozenset()
    sites: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    is_correction: bool = False
    prefix_starts: Tensor | None = None
    ranks: Mapping[str, int] = field(default_factory=dict)
    max_prefix: int | None = None
    name: str = "this model"


def _composed(
    first: tuple[Tensor | None, Tensor | None], second: tuple[Tensor | None, Tensor | None]
) -> tuple[Tensor | None, Tensor | None]:
    """One (scale, shift) that does `first`, then `second`."""
    (scale, shift), (next_scale, next_shift) = first, second
    if next_scale is not None:
        scale = next_scale if scale is None else scale * next_scale
        shift = None if shift is None else shift * next_scale
    if next_shift is not None:
        shift = next_shift if shift is None else shift + next_shift
    return scale, shift
