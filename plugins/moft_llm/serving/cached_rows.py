"""Rows of a running batch with their keys and values; rows join and leave between steps."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from moft.api import Injection
from moft_llm.generation.prompts.padded_prompts import left_padded, with_prefix
from moft_llm.network.language_model import LanguageModel


def can_join(model: LanguageModel) -> bool:
    """Whether rows of the model can join a running batch: its layers keep keys and values only, and see a window at most."""
    config: Any = model.network.config.get_text_config()
    is_chunked = "chunked_attention" in (getattr(config, "layer_types", None) or ())
    layers = DynamicCache(config=model.network.config).layers
    return not is_chunked and all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers)


class CachedRows:
    """Rows that one model reads token by token. They are aligned on the right: the last token of each is in the last column.

    Args:
        model: that reads them; under the policy with the gates of each row, or the base model alone.
        is_base: the base model reads them, without adapters, prefix and gates.
    """

    def __init__(self, model: LanguageModel, *, is_base: bool) -> None:
        network: Any = model.network
        self._model, self._network, self._is_base = model, network, is_base
        self._cache: Any = DynamicCache(config=network.config)
        self._mask: Tensor = torch.empty(0)  # [rows, time] int64, 0 for padding
        self._gates: Mapping[str, Tensor] = {}  # [rows, rank] by layer
        self._is_full = False
        accepted = inspect.signature(network.forward).parameters
        self._takes_positions = "position_ids" in accepted
        self._last_alone = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    def begin(self, prompts: Sequence[Sequence[int]], injected: Injection) -> Tensor:
        """`[rows, vocabulary]` float32, the logits after each prompt.

        Args:
            prompts: tokens, at least one each.
            injected: prefix and gates of each row; the base model ignores them.
        """
        words = self._network.get_input_embeddings()
        tokens, mask = left_padded(prompts, int(self._model.tokenizer.pad_token_id), words.weight.device)
        embedded, self._mask = with_prefix(words(tokens), mask, None if self._is_base else injected.prefix)
        self._gates = {} if self._is_base else dict(injected.gates)
        self._is_full = bool(self._mask.all())
        return self._logits((self._mask.cumsum(1) - 1).clamp(min=0), inputs_embeds=embedded)

    def step(self, tokens: Tensor) -> Tensor:
        """`[rows, vocabulary]` float32, the logits after one more token of each row, `[rows]`."""
        new = tokens.unsqueeze(1)
        self._mask = torch.cat([self._mask, torch.ones_like(new)], 1)
        return self._logits(self._mask.sum(1, keepdim=True) - 1, input_ids=new)

    def join(self, others: CachedRows) -> None:
        """Adds the rows of others, which are not used any more, after its own."""
        width = max(self._mask.shape[1], others._mask.shape[1])
        self._mask = torch.cat([_padded(self._mask, width, 1), _padded(others._mask, width, 1)])
        self._gates = {layer: torch.cat([gates, others._gates[layer]]) for layer, gates in self._gates.items()}
        self._is_full = bool(self._mask.all())
        for own, new in zip(self._cache.layers, others._cache.layers, strict=True):
            length = max(own.keys.shape[-2], new.keys.shape[-2])  # a window keeps fewer columns than there are
            own.keys = torch.cat([_padded(own.keys, length, -2), _padded(new.keys, length, -2)])
            own.values = torch.cat([_padded(own.values, length, -2), _padded(new.values, length, -2)])
            _set_width(own, width)

    def select(self, places: Sequence[int]) -> None:
        """Keeps the rows at some places, in their order; a row may be taken more than once. Columns of padding alone are cut."""
        if list(places) == list(range(len(self._mask))):
            return
        chosen = torch.tensor(places, device=self._mask.device)
        mask = self._mask[chosen]
        width = int(mask.sum(1).max())
        self._mask = mask[:, mask.shape[1] - width :]
        self._gates = {layer: gates[chosen] for layer, gates in self._gates.items()}
        self._is_full = bool(self._mask.all())
        for layer in self._cache.layers:
            first = max(0, layer.keys.shape[-2] - width)
            layer.keys, layer.values = layer.keys[chosen, :, first:], layer.values[chosen, :, first:]
            _set_width(layer, width)

    def _logits(self, positions: Tensor, **inputs: Tensor) -> Tensor:
        extra = {"position_ids": positions} if self._takes_positions else {}
        mask = None if self._is_full else self._mask
        with self._model.without_adapters() if self._is_base else self._model.gated(self._gates):
            outputs = self._network(
                **inputs, **extra, **self._last_alone, attention_mask=mask, past_key_values=self._cache, use_cache=True
            )
        logits: Tensor = outputs.logits[:, -1].float()
        return logits


def _padded(tensor: Tensor, length: int, axis: int) -> Tensor:
    """The tensor with zeros before what is there, so that an axis, the last or the one before, has some length."""
    missing = length - tensor.shape[axis]
    return pad(tensor, (missing, 0) if axis in (-1, tensor.dim() - 1) else (0, 0, missing, 0)) if missing else tensor


def _set_width(layer: Any, width: int) -> None:
    """Tells a layer with a window how many columns there are, of which it keeps the last ones."""
    if isinstance(layer, DynamicSlidingWindowLayer):
        layer.cumulative_length = width
