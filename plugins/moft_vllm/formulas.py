"""Computes what a conditioner of moft injects, from its formula and its tensors, without moft."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from moft_vllm.errors import FolderError

Tensors: TypeAlias = Mapping[str, Tensor]
Injected: TypeAlias = tuple[Tensor | None, dict[str, Tensor]]
"""A prefix, `[p, hidden]`, or None; and gates of LoRA, `[rank]` by layer."""


def injected(formula: Mapping[str, Any], tensors: Tensors, vector: Tensor) -> Injected:
    """What a conditioner injects for one tradeoff.

    Args:
        formula: `kind`, and what the kind needs.
        tensors: of the conditioner's `state_dict`.
        vector: `[tradeoff_size]`, the objective weights.

    Raises:
        FolderError: the formula is of a kind that is not known here, or lacks something.
    """
    kind = formula.get("kind")
    if kind not in _KINDS:
        raise FolderError(f"the policy's formula is of the kind {kind!r}, which this version of moft_vllm does not know.")
    try:
        return _KINDS[kind](formula, tensors, vector)
    except (KeyError, TypeError, RuntimeError) as error:
        raise FolderError(f"the policy's formula {kind!r} and its tensors do not fit together ({error}).") from error


def _hpt(formula: Mapping[str, Any], tensors: Tensors, vector: Tensor) -> Injected:
    rank, prompt = formula["rank"], tensors["prompt"]  # [p, hidden]
    left = _network(tensors, "left", vector).view(len(prompt), rank)
    right = _network(tensors, "right", vector).view(rank, -1)
    return (1 + left @ right) * prompt, {}


def _hyper_lora(formula: Mapping[str, Any], tensors: Tensors, vector: Tensor) -> Injected:
    ranks: Mapping[str, int] = formula["ranks"]
    flat = 1 + _linear(tensors, "last", functional.gelu(_linear(tensors, "network.0", vector)))  # [sum of ranks]
    return None, dict(zip(ranks, torch.split(flat, list(ranks.values())), strict=True))


def _mix(formula: Mapping[str, Any], tensors: Tensors, vector: Tensor) -> Injected:
    factors = 2 * tensors["gate"].sigmoid() if "gate" in tensors else torch.ones(len(formula["parts"]))
    prefixes: list[Tensor] = []
    gates: dict[str, Tensor] = {}
    for place, part in enumerate(formula["parts"]):
        prefix, own = injected(part, _under(tensors, f"parts.{place}"), vector)
        prefixes += [] if prefix is None else [factors[place] * prefix]
        gates.update({layer: gates.get(layer, 1) * (1 + factors[place] * (gate - 1)) for layer, gate in own.items()})
    return torch.cat(prefixes) if prefixes else None, gates


def _encoded(formula: Mapping[str, Any], tensors: Tensors, vector: Tensor) -> Injected:
    encoder = formula["encoder"]
    if encoder["name"] == "fourier":
        angles = (math.pi * vector.unsqueeze(-1) * torch.arange(1, encoder["frequencies"] + 1)).flatten()
        code = torch.cat([vector, angles.sin(), angles.cos()])
    else:
        code = _network(tensors, "encoder", vector)
    return injected(formula["conditioner"], _under(tensors, "conditioner"), code)


def _network(tensors: Tensors, name: str, vector: Tensor) -> Tensor:
    """A network with one hidden layer."""
    return _linear(tensors, f"{name}.2", functional.gelu(_linear(tensors, f"{name}.0", vector)))


def _linear(tensors: Tensors, name: str, vector: Tensor) -> Tensor:
    return functional.linear(vector, tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _under(tensors: Tensors, name: str) -> dict[str, Tensor]:
    """The tensors of a part, by their names there."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


_KINDS = {"hpt": _hpt, "hyper-lora": _hyper_lora, "mix": _mix, "encoded": _encoded}
