"""Low-rank changes of layers, gated by the tradeoff: `B diag(g(w)) A`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moft import ConfigError
from moft.api import Conditioner, Count, Delta, Injection, ModelSpec, NonNegative, Slot
from moft_conditioners.initialisation import START, linear_deviation
from moft_conditioners.layer_selection import chosen_layers

RANK = 8
"""Of the factors, where they are its own."""


class HyperLoRA(Conditioner):
    """Adds `B diag(g(w)) A` to the matrices of layers: factors A and B for all tradeoffs, gates g from a small network.

    In a language model, A and B are those of its LoRA, and the gates multiply what A gives. B starts at zero there, so that
    training starts at the base model however far the gates are spread. In a ranker, A and B are the conditioner's own.

    Args:
        spec: of the model.
        rank: of A and B; null is 8, or that of the model's LoRA.
        width: units of the hidden layer of the network. A larger value can bend the dependence on the tradeoff more.
        layers: that are changed; `*` stands for any part of a name, as in `layers.0.*`. Null is every layer with LoRA, and in a
            ranker every one but that of the scores.
        spread: how far gates lie from one at the start, in standard deviations, and the factors of a ranker from zero. 0 starts
            at gates of one (plain LoRA) and at the unconditioned ranker; a larger value separates tradeoffs faster.

    Raises:
        ConfigError: the model reads neither gates nor deltas, a layer is unknown, or `rank` is given beside the model's own.

    Source: gates between the factors of LoRA (Hu et al. 2021), from a hypernetwork as in Navon et al. 2021.
    """

    slots: frozenset[Slot]

    def __init__(
        self,
        spec: ModelSpec,
        *,
        rank: Count | None = None,
        width: Count = 32,
        layers: list[str] | None = None,
        spread: NonNegative = 1.0,
    ) -> None:
        super().__init__()
        self._is_lora = "gates" in spec.slots
        self.slots = frozenset({"gates" if self._is_lora else "deltas"})
        self.down, self.up = nn.ParameterList(), nn.ParameterList()
        if self._is_lora:
            if rank is not None:
                raise ConfigError(
                    f"'hyper-lora': rank is that of the LoRA of {spec.name}, and cannot be {rank} here; leave it out."
                )
            chosen = chosen_layers(spec, spec.ranks, layers, "hyper-lora")
            self._ranks = {layer: spec.ranks[layer] for layer in chosen}
        elif "deltas" in spec.slots:
            chosen = _hidden(spec) if layers is None else chosen_layers(spec, spec.shapes, layers, "hyper-lora")
            self._ranks = dict.fromkeys(chosen, RANK if rank is None else rank)
            self._add_factors(spec, spread)
        else:
            raise ConfigError(
                f"'hyper-lora' fills the slot 'gates' or 'deltas', and {spec.name} can read neither (its slots: "
                f"{', '.join(sorted(spec.slots)) or 'none'}). A language model has gates where task.lora is not null."
            )
        self.network = nn.Sequential(nn.Linear(spec.tradeoff_size, width), nn.GELU())
        self.last = nn.Linear(width, sum(self._ranks.values()))
        nn.init.normal_(self.last.weight, std=spread * START / width**0.5)
        nn.init.zeros_(self.last.bias)

    def forward(self, vector: Tensor) -> Injection:
        opened = 1 + self.last(self.network(vector))  # [batch, ranks]
        gates = dict(zip(self._ranks, opened.split(list(self._ranks.values()), dim=-1), strict=True))  # each [batch, r]
        if self._is_lora:
            return Injection(gates=gates)
        factors = zip(gates.items(), self.down, self.up, strict=True)
        return Injection(
            deltas={layer: (Delta(a=gate.unsqueeze(-1) * a, b=b.expand(len(vector), -1, -1)),) for (layer, gate), a, b in factors}
        )

    def _add_factors(self, spec: ModelSpec, spread: float) -> None:
        """A as a fresh linear layer, `[r, in]`, and B so that their product is of the size of one, `[out, r]`."""
        for layer, rank in self._ranks.items():
            outputs, inputs = spec.shapes[layer]
            self.down.append(nn.init.normal_(nn.Parameter(torch.empty(rank, inputs)), std=linear_deviation(inputs)))
            self.up.append(nn.init.normal_(nn.Parameter(torch.empty(outputs, rank)), std=spread / (2 * rank) ** 0.5))


def _hidden(spec: ModelSpec) -> tuple[str, ...]:
    """The layers that take deltas, without those of one output, which make the scores; all of them where no other is left."""
    return tuple(layer for layer, (outputs, _) in spec.shapes.items() if outputs > 1) or tuple(spec.shapes)
