"""How a model applies an injection, and how a conditioner is checked against the model and called."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from moft.engine.checks.return_values import checked_injection
from moft.errors import ConfigError, PluginError
from moft.interfaces import Conditioner, Model
from moft.types import Delta, Injection, Inputs, ModelSpec, Slot


def check_slots(spec: ModelSpec, slots: frozenset[Slot], name: str) -> None:
    """Checks that a model reads all slots that a conditioner fills.

    Args:
        spec: of the model.
        slots: that the conditioner fills.
        name: of the conditioner, for the message.

    Raises:
        ConfigError: it does not read one of them; the message names both.
    """
    unread = sorted(slots - spec.slots)
    if unread:
        raise ConfigError(
            f"{name!r} fills the slot {unread[0]!r}, which {spec.name} cannot read (its slots: "
            f"{', '.join(sorted(spec.slots)) or 'none'}): choose a conditioner for one of its slots."
        )


def refuse_misfit(spec: ModelSpec, conditioner: object) -> None:
    """Checks that what a plugin built is a conditioner, and that a model reads all slots that it fills.

    Raises:
        ConfigError: the model does not read one of them; the message names both.
        PluginError: it is not a conditioner, or does not say what it fills.
    """
    name = type(conditioner).__name__
    if not isinstance(conditioner, Conditioner) or not isinstance(getattr(conditioner, "slots", None), set | frozenset):
        raise PluginError(
            f"conditioner {name} is not a conditioner: it has to be a moft.api.Conditioner with `slots`, the set of slots "
            "that it fills."
        )
    check_slots(spec, conditioner.slots, name)


def conditioned_outputs(model: Model, conditioner: Conditioner | None, inputs: Inputs, vector: Tensor) -> Tensor:
    """`[batch, list]`, the output of the model for every row at the row's vector.

    Args:
        model: to condition.
        conditioner: None for an unconditioned model. If its `per_row` is False, each different vector has a pass of its own.
        inputs: of the batch.
        vector: `[batch, tradeoff_size]`.
    """
    if conditioner is None or conditioner.per_row:
        together: Tensor = model(
            inputs, Injection() if conditioner is None else checked_injection(conditioner, vector, model.spec)
        )
        return together
    outputs = vector.new_zeros(0)
    for rows, injection in vector_by_vector(conditioner, vector, model.spec):
        part = model({name: value[rows] for name, value in inputs.items()}, injection)  # [k, list]
        if not outputs.numel():
            outputs = part.new_zeros(len(vector), part.shape[1])
        outputs = outputs.index_copy(0, rows, part)
    return outputs


def vector_by_vector(conditioner: Conditioner, vector: Tensor, spec: ModelSpec) -> Iterator[tuple[Tensor, Injection]]:
    """For each different vector, the rows `[k]` that have it, and their injection; `spec` is the model's."""
    different, places = torch.unique(vector, dim=0, return_inverse=True)
    for index in range(len(different)):
        rows = (places == index).nonzero().squeeze(1)
        yield rows, checked_injection(conditioner, different[index : index + 1], spec).select(torch.zeros_like(rows))


def modulated(hidden: Tensor, injection: Injection, site: str) -> Tensor:
    """`[batch, list, hidden]` after the modulation of `site`; `hidden` itself where nothing is injected there."""
    scale, shift = injection.modulation.get(site, (None, None))
    if scale is not None and shift is not None:
        return shift.unsqueeze(1).addcmul(hidden, scale.unsqueeze(1))  # [batch, list, hidden]
    if scale is not None:
        return hidden * scale.unsqueeze(1)
    return hidden if shift is None else hidden + shift.unsqueeze(1)


def injected_linear(layer: nn.Linear, inputs: Tensor, deltas: tuple[Delta, ...]) -> Tensor:
    """`[batch, list, out]`: the layer with every delta added to its matrix, row by row.

    Args:
        layer: `(out, in)`.
        inputs: `[batch, list, in]`.
        deltas: each dense one costs a further matrix product per row, each low-rank one two thin ones.
    """
    outputs = functional.linear(inputs, layer.weight, layer.bias)
    for delta in deltas:
        if delta.dense is not None:
            outputs = outputs + inputs @ delta.dense.transpose(1, 2)
        elif delta.a is not None and delta.b is not None:
            outputs = outputs + (inputs @ delta.a.transpose(1, 2)) @ delta.b.transpose(1, 2)
    return outputs


def modulated_linear(layer: nn.Linear, hidden: Tensor, injection: Injection, site: str, deltas: tuple[Delta, ...]) -> Tensor:
    """`[batch, list, out]`: `injected_linear` of what `modulated` gives, for a layer of few outputs.

    A modulation before a linear layer amounts to another matrix for each row, which costs less than a pass over `hidden`.

    Args:
        layer: `(out, in)`, out well below in.
        hidden: `[batch, list, in]`.
        injection: its modulation of `site` is read.
        site: just before the layer.
        deltas: of the layer.
    """
    scale, shift = injection.modulation.get(site, (None, None))
    if deltas or scale is None:
        return injected_linear(layer, modulated(hidden, injection, site), deltas)
    matrix = layer.weight * scale.unsqueeze(1)  # [batch, out, in]
    outputs = hidden @ matrix.transpose(1, 2)  # [batch, list, out]
    constant = layer.bias if shift is None else functional.linear(shift, layer.weight, layer.bias).unsqueeze(1)
    return outputs if constant is None else outputs + constant
