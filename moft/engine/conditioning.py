"""How a model reads the slots of an injection, and which vector a conditioner sees."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from moft.types import Delta, Injection


def modulated(hidden: Tensor, injection: Injection, site: str) -> Tensor:
    """`[batch, list, hidden]` after the modulation of `site`; itself where nothing is injected there."""
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
        deltas: dense ones cost a product of their own per row, low-rank ones only two thin ones.
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

    A modulation before a linear layer is another linear layer of the row's own, which costs less than a pass over `hidden`.

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
