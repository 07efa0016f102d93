"""The conditioner `hyper-lora`: low-rank changes of layers, gated by the tradeoff, `B diag(g(w)) A`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from moft import ConfigError
from moft.api import Conditioner, Delta, Injection, ModelSpec, NonNegative, Rank, Slot, Width
from moft_conditioners.initialisation import START, linear_deviation
from moft_conditioners.layer_selection import chosen_layers

RANK = 8
"""Default rank of the factors that the conditioner makes itself."""


class HyperLoRA(Conditioner):
    """Adds `B diag(g(w)) A` to the matrices of layers: the factors A and B are shared by all tradeoffs, a small network makes g.

    In a language model, A and B are the matrices of its LoRA, and the gates multiply the output of A. B starts at zero, so that
    training starts at the base model for any gates. In a ranker, the conditioner has its own A and B.

    Args:
        spec: of the model.
        rank: rank of A and B; null for 8, or for the rank of the model's LoRA.
        width: units of the network's hidden layer. A larger value allows a more complex dependence on the tradeoff.
        layers: layers to change; `*` matches any part of a name, as in `layers.0.*`. Null for every layer with LoRA, and in a
            ranker for every layer except the last, which makes the scores.
        spread: initial standard deviation of the gates from one, and of a ranker's factors from zero. 0 starts at gates of one
            (ordinary LoRA) and at the unconditioned ranker; a larger value separates tradeoffs faster.

    Raises:
        ConfigError: the model supports neither gates nor deltas, a layer is unknown, or `rank` is set for a model with LoRA.

    Source: gates between the factors of LoRA (Hu et al. 2021), from a hypernetwork as in Navon et al. 2021.
    """

    slots: frozenset[Slot]

    def __init__(
        self,
        spec: ModelSpec,
        *,
        rank: Rank | None = None,
        width: Width = 32,
        layers: list[str] | None = None,
        spread: NonNegative = 1.0,
    ) -> None:
        super().__init__()
        self._is_lora = "gates" in spec.slots
        self.slots = frozenset({"gates" if self._is_lora else "deltas"})
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        if self._is_lora:
            if rank is not None:
                raise ConfigError(f"'hyper-lora': rank {rank} cannot be set: the LoRA of {spec.name} has its own; leave it out.")
            chosen = chosen_layers(spec, spec.ranks, layers, "hyper-lora")
            self._ranks = {layer: spec.ranks[layer] for layer in chosen}
        elif "deltas" in spec.slots:
            chosen = _layers_before_scores(spec) if layers is None else chosen_layers(spec, spec.shapes, layers, "hyper-lora")
            self._ranks = dict.fromkeys(chosen, RANK if rank is None else rank)
            self._add_factors(spec, spread)
        else:
            raise ConfigError(
                f"'hyper-lora' fills the slot 'gates' or 'deltas', but {spec.name} can read neither (its slots: "
                f"{', '.join(sorted(spec.slots)) or 'none'}). A language model has gates if task.lora is not null."
            )
        self.network = nn.Sequential(nn.Linear(spec.tradeoff_size, width), nn.GELU())
        self.last = nn.Linear(width, sum(self._ranks.values()))
        nn.init.normal_(self.last.weight, std=spread * START / width**0.5)
        nn.init.zeros_(self.last.bias)

    def forward(self, vector: Tensor) -> Injection:
        flat = 1 + self.last(self.network(vector))  # [batch, ranks]
        gates = dict(zip(self._ranks, flat.split(list(self._ranks.values()), dim=-1), strict=True))  # each [batch, r]
        if self._is_lora:
            return Injection(gates=gates)
        factors = zip(gates.items(), self.down, self.up, strict=True)
        return Injection(
            deltas={
                layer: (Delta(a=gate.unsqueeze(-1) * a, b=b.expand(vector.shape[0], -1, -1)),) for (layer, gate), a, b in factors
            }
        )

    def formula(self) -> Mapping[str, Any]:
        if not self._is_lora:
            raise ConfigError("'hyper-lora' of a model without LoRA has no formula that an export could write down.")
        return {"kind": "hyper-lora", "ranks": self._ranks}

    def _add_factors(self, spec: ModelSpec, spread: float) -> None:
        """Adds A, `[r, in]`, initialised like a linear layer, and B, `[out, r]`, such that the product has the same scale."""
        for layer, rank in self._ranks.items():
            outputs, inputs = spec.shapes[layer]
            self.down.append(nn.init.normal_(nn.Parameter(torch.empty(rank, inputs)), std=linear_deviation(inputs)))
            self.up.append(nn.init.normal_(nn.Parameter(torch.empty(outputs, rank)), std=spread / (2 * rank) ** 0.5))


def _layers_before_scores(spec: ModelSpec) -> tuple[str, ...]:
    """The layers that take deltas, except those of one output, which make the scores; all layers if no other is left."""
    return tuple(layer for layer, (outputs, _) in spec.shapes.items() if outputs > 1) or tuple(spec.shapes)
