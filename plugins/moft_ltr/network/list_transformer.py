"""The ranker: a transformer over the documents of a query, which reads modulations and deltas."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from moft import ConfigError
from moft.api import Injection, Inputs, Model, ModelSpec, injected_linear, modulated, modulated_linear


class Ranker(Model):
    """Scores the documents of a query with self-attention between them; there are no positions, so their order does not matter.

    Sites, in order: `input` (after the first linear layer), `layer-1` ... (after each layer), `output`
    (after the last norm, before the scores).

    Args:
        features: number of input features.
        tradeoff_size: size of the vector that conditioners read.
        width: hidden size.
        layers: number of transformer layers.
        heads: number of attention heads; divides `width`.
        is_correction: True initialises the last layer to zero, so that the policy starts at the reference.
        categories: number of codes of each categorical feature; each code has an embedding, which is added after the first layer.
    """

    def __init__(
        self,
        features: int,
        *,
        tradeoff_size: int,
        width: int,
        layers: int,
        heads: int,
        is_correction: bool,
        categories: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.input = nn.Linear(features, width)
        self.embeddings = nn.ModuleList(nn.Embedding(count, width) for count in categories)
        for embedding in self.embeddings:
            nn.init.zeros_(embedding.weight)  # type: ignore[arg-type]
        self.layers = nn.ModuleList(RankerLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, 1)
        if is_correction:
            nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        shapes = {
            name: (module.out_features, module.in_features)
            for name, module in self.named_modules()
            if isinstance(module, nn.Linear)
        }
        self.spec = ModelSpec(
            tradeoff_size=tradeoff_size,
            hidden_size=width,
            slots=frozenset({"modulation", "deltas"}),
            sites=("input", *(f"layer-{index + 1}" for index in range(layers)), "output"),
            shapes=shapes,
            is_correction=is_correction,
            name="the ranker",
        )

    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        items = inputs["items"]
        deltas = injection.deltas
        hidden = injected_linear(self.input, inputs["features"], deltas.get("input", ()))  # [batch, list, hidden]
        for place, embedding in enumerate(self.embeddings):
            hidden = hidden + embedding(inputs["categories"][..., place])
        hidden = modulated(hidden, injection, "input")
        mask = items[:, None, None, :]  # [batch, 1, 1, list]
        for index, layer in enumerate(self.layers):
            hidden = layer(hidden, mask, injection, f"layers.{index}")
            hidden = modulated(hidden, injection, f"layer-{index + 1}")
        return modulated_linear(self.output, self.norm(hidden), injection, "output", deltas.get("output", ())).squeeze(-1)


def check_heads(heads: int, width: int) -> None:
    """Checks that the hidden size can be split evenly between attention heads.

    Raises:
        ConfigError: `heads` does not divide `width`.
    """
    if width % heads:
        raise ConfigError(f"heads: {heads} does not divide width {width}; choose a divisor of the width.")


class RankerLayer(nn.Module):
    """A pre-norm transformer layer: self-attention, then a feed-forward network of twice the width.

    Args:
        width: hidden size.
        heads: attention heads; divides `width`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feedforward_norm = nn.LayerNorm(width)
        self.feedforward_in = nn.Linear(width, 2 * width)
        self.feedforward_out = nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor, mask: Tensor, injection: Injection, name: str) -> Tensor:
        """`[batch, list, hidden]`.

        Args:
            hidden: `[batch, list, hidden]`.
            mask: `[batch, 1, 1, list]` bool, True for items.
            injection: its deltas for the linear layers of this module (`NAME.attention_in` and so on) are applied.
            name: of this layer among the model's modules.
        """
        batch, items, width = hidden.shape
        deltas = injection.deltas
        projected = injected_linear(self.attention_in, self.attention_norm(hidden), deltas.get(f"{name}.attention_in", ()))
        query, key, value = projected.view(batch, items, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # [batch, heads, list, width / heads]
        mixed = mixed.transpose(1, 2).reshape(batch, items, width)
        hidden = hidden + injected_linear(self.attention_out, mixed, deltas.get(f"{name}.attention_out", ()))
        inner = injected_linear(self.feedforward_in, self.feedforward_norm(hidden), deltas.get(f"{name}.feedforward_in", ()))
        return hidden + injected_linear(self.feedforward_out, functional.relu(inner), deltas.get(f"{name}.feedforward_out", ()))
