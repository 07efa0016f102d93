"""Random and neutral injections to check models with, and the tensors of an injection by name."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from moft.types import Delta, Injection, ModelSpec

_TOKENS = 2
_RANK = 2


def injected_tensors(injection: Injection) -> dict[str, Tensor]:
    """Every tensor of an injection: `modulation SITE scale`, `prefix`, `deltas LAYER NUMBER dense` (`a`, `b`), `gates LAYER`."""
    found: dict[str, Tensor | None] = {}
    for site, (scale, shift) in injection.modulation.items():
        found |= {f"modulation {site} scale": scale, f"modulation {site} shift": shift}
    found["prefix"] = injection.prefix
    for layer, deltas in injection.deltas.items():
        for number, delta in enumerate(deltas):
            parts = {"dense": delta.dense, "a": delta.a, "b": delta.b}
            found |= {f"deltas {layer} {number} {kind}": part for kind, part in parts.items()}
    found |= {f"gates {layer}": gates for layer, gates in injection.gates.items()}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def single_injections(spec: ModelSpec, rows: int, generator: Generator) -> dict[str, Injection]:
    """Random injections, each into one site or layer of a model, by a description; every row is different."""

    def random(*shape: int) -> Tensor:
        return torch.randn(rows, *shape, generator=generator)

    found: dict[str, Injection] = {}
    if "modulation" in spec.slots:
        for site in spec.sites:
            found[f"a scale at site {site!r}"] = Injection({site: (1 + 0.5 * random(spec.hidden_size), None)})
            found[f"a shift at site {site!r}"] = Injection({site: (None, random(spec.hidden_size))})
    if "prefix" in spec.slots:
        found["a prefix"] = Injection(prefix=random(_TOKENS, spec.hidden_size))
    if "deltas" in spec.slots:
        for layer, (outputs, inputs) in spec.shapes.items():
            found[f"a dense delta of layer {layer!r}"] = Injection(deltas={layer: (Delta(dense=random(outputs, inputs)),)})
            low_rank = Delta(a=random(_RANK, inputs), b=random(outputs, _RANK))
            found[f"a low-rank delta of layer {layer!r}"] = Injection(deltas={layer: (low_rank,)})
    if "gates" in spec.slots:
        for layer, rank in spec.ranks.items():
            found[f"gates of layer {layer!r}"] = Injection(gates={layer: 1 + random(rank)})
    return found


def neutral_injection(spec: ModelSpec, rows: int) -> Injection:
    """Scales and gates of one, shifts and deltas of zero, in every slot of the model; no prefix."""
    modulation: dict[str, tuple[Tensor | None, Tensor | None]] = {}
    deltas: dict[str, tuple[Delta, ...]] = {}
    if "modulation" in spec.slots:
        modulation = {site: (torch.ones(rows, spec.hidden_size), torch.zeros(rows, spec.hidden_size)) for site in spec.sites}
    if "deltas" in spec.slots:
        deltas = {layer: (Delta(dense=torch.zeros(rows, *shape)),) for layer, shape in spec.shapes.items()}
    gates = {layer: torch.ones(rows, rank) for layer, rank in spec.ranks.items()} if "gates" in spec.slots else {}
    return Injection(modulation, None, deltas, gates)


def injection_row(injection: Injection, row: int) -> Injection:
    """The injection of one row, as a batch of one."""
    return injection.select(torch.tensor([row]))
