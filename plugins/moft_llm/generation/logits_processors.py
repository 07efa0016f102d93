"""Steps from logits to the next token: a share of the base model's logits, and draws that depend on their own row alone."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import DynamicCache, LogitsProcessor, PreTrainedModel

from moft_llm.network.lora import adapters_off


class Realigned(LogitsProcessor):
    """The logits at c times the trained betas: `l0 + (l - l0) / c`, with l0 of the base model.

    One forward of the base model more for each token; it has a cache of its own. An approximation: what is exact for the scores
    of whole responses is used for one token after the other.

    Args:
        network: with LoRA in it, which is switched off for l0.
        tokens: `[rows, time]`, prompts without any prefix, padded on the left.
        mask: `[rows, time]` int64, 0 for padding.
        divisor: `[rows, 1]`, c.

    Source: Liu et al. 2024 (decoding-time realignment), arXiv 2402.02992, equation 8.
    """

    def __init__(self, network: PreTrainedModel, tokens: Tensor, mask: Tensor, divisor: Tensor) -> None:
        self._network = network
        self._tokens = tokens
        self._mask = mask
        self._divisor = divisor.float()
        self._cache = DynamicCache(config=network.config)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        base = self._base(input_ids).to(scores)
        return base + (scores - base) / self._divisor

    def _base(self, generated: Tensor) -> Tensor:
        """`[rows, vocabulary]`, the base model's logits after what was generated so far, `[rows, steps]`."""
        new = self._tokens
        if generated.shape[1]:
            new = generated[:, -1:]
            self._mask = torch.cat([self._mask, torch.ones_like(new)], 1)
        places = (self._mask.cumsum(1) - 1).clamp(min=0)[:, -new.shape[1] :]
        network: Any = self._network
        with adapters_off(self._network):
            found = network(
                input_ids=new, attention_mask=self._mask, position_ids=places, past_key_values=self._cache, use_cache=True
            )
        logits: Tensor = found.logits[:, -1].float()
        return logits


class Agreed(LogitsProcessor):
    """Leaves the likeliest token of the main process alone, in every process: rounding must not part those of a sharded model."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        chosen = scores.argmax(-1, keepdim=True)
        dist.broadcast(chosen, 0)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


class Drawn(LogitsProcessor):
    """Draws the next token of every row and leaves nothing else possible; the last of a chain that ends in a greedy choice.

    A row's tokens depend on its own generator and logits, whatever stands beside it in a batch.

    Args:
        draws: `[rows, steps]` float64 in [0, 1), one for each token to come.
    """

    def __init__(self, draws: Tensor) -> None:
        self._draws = draws

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        below = scores.softmax(-1).cumsum(-1)  # [rows, vocabulary]
        total = below[:, -1:]
        wanted = self._draws[:, input_ids.shape[1], None].to(below) * total
        wanted = wanted.minimum(
            torch.nextafter(total, torch.zeros_like(total))
        )  # so that a token without probability is never it
        chosen = torch.searchsorted(below, wanted, right=True)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)
