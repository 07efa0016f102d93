"""Whole layers made from the tradeoff by a small network."""

from __future__ import annotations

from torch import Tensor, nn

from moft import ConfigError
from moft.api import Conditioner, Count, Delta, Injection, ModelSpec, NonNegative, Slot, check_slots
from moft_conditioners.initialisation import START, linear_deviation
from moft_conditioners.layer_selection import chosen_layers, shown


class Hypernetwork(Conditioner):
    """A matrix for each chosen layer, from the tradeoff through one hidden layer, added to the layer's own.

    It has `width x out x in` parameters for a layer of `out x in`, and makes a matrix for every row of a batch: for small models.

    Args:
        spec: of the model.
        width: units of the hidden layer. A larger value can bend the dependence on the tradeoff more.
        layers: whose matrices are made; `*` stands for any part of a name, as in `layers.0.*`. Null is the first, which on
            rankers did better than all of them for less.
        spread: how far the matrices lie from the layers' own at the start, in standard deviations of a fresh layer. 0 starts at
            the unconditioned model, as a pretrained one needs; a larger value separates tradeoffs faster.
        limit: the most parameters it may have; more are refused.

    Raises:
        ConfigError: the model reads no deltas, a layer is unknown, or there are more parameters than the limit.

    Source: Navon et al. 2021 (Pareto hypernetworks), arXiv 2010.04104, section 3. There the network makes all of the weights;
    here they are added to trained ones, and biases stay.
    """

    slots: frozenset[Slot] = frozenset({"deltas"})

    def __init__(
        self,
        spec: ModelSpec,
        *,
        width: Count = 32,
        layers: list[str] | None = None,
        spread: NonNegative = 1.0,
        limit: Count = 20_000_000,
    ) -> None:
        super().__init__()
        check_slots(spec, self.slots, "hypernetwork")
        chosen = tuple(spec.shapes)[:1] if layers is None else chosen_layers(spec, spec.shapes, layers, "hypernetwork")
        self._shapes = {layer: spec.shapes[layer] for layer in chosen}
        entries = sum(outputs * inputs for outputs, inputs in self._shapes.values())
        count = (spec.tradeoff_size + 1) * width + (width + 1) * entries
        if count > limit:
            raise ConfigError(
                f"'hypernetwork' would have {count} parameters, more than its limit of {limit}, for {entries} weights "
                f"of {shown(self._shapes)}: choose fewer layers, a smaller width than {width}, or a larger limit."
            )
        self.network = nn.Sequential(nn.Linear(spec.tradeoff_size, width), nn.GELU())
        layered = [nn.Linear(width, outputs * inputs) for outputs, inputs in self._shapes.values()]
        for layer, (_, inputs) in zip(layered, self._shapes.values(), strict=True):
            nn.init.normal_(layer.weight, std=spread * linear_deviation(inputs) * START / width**0.5)
            nn.init.zeros_(layer.bias)
        self.last = nn.ModuleList(layered)

    def forward(self, vector: Tensor) -> Injection:
        hidden = self.network(vector)  # [batch, width]
        made = zip(self._shapes.items(), self.last, strict=True)
        return Injection(deltas={name: (Delta(dense=layer(hidden).view(len(vector), *shape)),) for (name, shape), layer in made})
