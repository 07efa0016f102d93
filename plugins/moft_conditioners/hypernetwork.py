"""The conditioner `hypernetwork`: a small network computes full matrices of layers from the tradeoff."""

from __future__ import annotations

from torch import Tensor, nn

from moft import ConfigError
from moft.api import Conditioner, Count, Delta, Injection, ModelSpec, NonNegative, Slot, Width, check_slots
from moft_conditioners.initialisation import START, linear_deviation
from moft_conditioners.layer_selection import chosen_layers, listed


class Hypernetwork(Conditioner):
    """A matrix for each chosen layer, computed from the tradeoff and added to the layer's own matrix.

    It has `width x out x in` parameters for a layer of `out x in`, and makes a matrix for every row of a batch. Use it for small
    models.

    Args:
        spec: of the model.
        width: units of the hidden layer. A larger value allows a more complex dependence on the tradeoff.
        layers: layers that get a matrix; `*` matches any part of a name, as in `layers.0.*`. Null for the first layer, which on
            rankers did better than all layers.
        spread: initial standard deviation of the added matrices, in units of that of a newly initialised layer. 0 starts at the
            unconditioned model, as a pretrained model needs; a larger value separates tradeoffs faster.
        limit: largest number of parameters; more are an error.

    Raises:
        ConfigError: the model does not support deltas, a layer is unknown, or there are more parameters than `limit`.

    Source: Navon et al. 2021 (Pareto hypernetworks), arXiv 2010.04104, section 3. There the network makes all parameters; here
    its matrices are added to trained ones, and biases do not depend on the tradeoff.
    """

    slots: frozenset[Slot] = frozenset({"deltas"})

    def __init__(
        self,
        spec: ModelSpec,
        *,
        width: Width = 32,
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
                f"'hypernetwork' would have {count} parameters, more than its limit of {limit}, for {entries} entries "
                f"of {listed(self._shapes)}: choose fewer layers, a width below {width}, or a larger limit."
            )
        self.network = nn.Sequential(nn.Linear(spec.tradeoff_size, width), nn.GELU())
        heads = [nn.Linear(width, outputs * inputs) for outputs, inputs in self._shapes.values()]
        for head, (_, inputs) in zip(heads, self._shapes.values(), strict=True):
            nn.init.normal_(head.weight, std=spread * linear_deviation(inputs) * START / width**0.5)
            nn.init.zeros_(head.bias)
        self.last = nn.ModuleList(heads)

    def forward(self, vector: Tensor) -> Injection:
        hidden = self.network(vector)  # [batch, width]
        heads = zip(self._shapes.items(), self.last, strict=True)
        return Injection(deltas={name: (Delta(dense=head(hidden).view(-1, *shape)),) for (name, shape), head in heads})
