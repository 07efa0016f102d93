"""A small network that scores each item by itself, for tasks without a network of their own."""

from __future__ import annotations

from torch import Tensor, nn

from moft.engine.policies.apply_injection import injected_linear, modulated
from moft.interfaces import Model
from moft.types import Injection, Inputs, ModelSpec


class ItemNetwork(Model):
    """One hidden layer for each item by itself, starting at the reference; reads `features`, modulations and deltas.

    Args:
        features: width of the input `features`, `[batch, list, features]`.
        tradeoff_size: width of the vector that conditioners read.
        width: units of the hidden layer.
    """

    def __init__(self, features: int, tradeoff_size: int, width: int = 16) -> None:
        super().__init__()
        self.input = nn.Linear(features, width)
        self.output = nn.Linear(width, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.spec = ModelSpec(
            tradeoff_size=tradeoff_size,
            hidden_size=width,
            slots=frozenset({"modulation", "deltas"}),
            sites=("input", "output"),
            shapes={"input": (width, features), "output": (1, width)},
            is_correction=True,
        )

    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        deltas = injection.deltas
        hidden = injected_linear(self.input, inputs["features"], deltas.get("input", ()))  # [batch, list, hidden]
        hidden = modulated(modulated(hidden, injection, "input").tanh(), injection, "output")
        return injected_linear(self.output, hidden, deltas.get("output", ())).squeeze(-1)  # [batch, list]
