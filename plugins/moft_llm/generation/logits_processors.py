"""Logits processors: the base model's logits mixed in, rows without a token excluded, each row drawn with its own numbers."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import (
    DynamicCache,
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    LogitsProcessor,
    MinPLogitsWarper,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from moft.api import TokenSampling
from moft_llm.network.lora import adapters_off


def realigned(logits: Tensor, base: Tensor, divisor: Tensor) -> Tensor:
    """`[rows, vocabulary]`, the logits at c times the trained betas: `l0 + (l - l0) / c`.

    Args:
        logits: `[rows, vocabulary]`, l, the policy's.
        base: `[rows, vocabulary]`, l0, the base model's.
        divisor: `[rows, 1]`, c.

    Source: Liu et al. 2024 (decoding-time realignment), arXiv 2402.02992, equation 8.
    """
    return base + (logits - base) / divisor


class RealignedLogits(LogitsProcessor):
    """The logits at c times the trained betas, of `realigned`.

    It takes one more forward pass for each token, of the base model, which has its own cache. This is an approximation: a rule
    that is exact for the scores of whole responses is applied token by token.

    Args:
        network: with LoRA, which is disabled for the base model's logits.
        tokens: `[rows, time]`, prompts without a prefix, padded on the left.
        mask: `[rows, time]` int64, 0 for padding.
        divisor: `[rows, 1]`, c.
    """

    def __init__(self, network: PreTrainedModel, tokens: Tensor, mask: Tensor, divisor: Tensor) -> None:
        self._network = network
        self._tokens = tokens
        self._mask = mask
        self._divisor = divisor.float()
        self._cache = DynamicCache(config=network.config)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return realigned(scores, self._base(input_ids).to(scores), self._divisor)

    def _base(self, generated: Tensor) -> Tensor:
        """`[rows, vocabulary]`, the base model's logits after the tokens generated so far, `[rows, steps]`."""
        new = self._tokens
        if generated.shape[1]:
            new = generated[:, -1:]
            self._mask = torch.cat([self._mask, torch.ones_like(new)], 1)
        places = (self._mask.cumsum(1) - 1).clamp(min=0)[:, -new.shape[1] :]
        network: Any = self._network
        with adapters_off(self._network):
            outputs = network(
                input_ids=new, attention_mask=self._mask, position_ids=places, past_key_values=self._cache, use_cache=True
            )
        logits: Tensor = outputs.logits[:, -1].float()
        return logits


class TokensOfTokenizer(LogitsProcessor):
    """Excludes the rows of a vocabulary that no token of the tokenizer has; they pad it to a round size.

    Args:
        unused: `[vocabulary]` bool, True for such a row.
    """

    def __init__(self, unused: Tensor) -> None:
        self._unused = unused

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        return scores.masked_fill(self._unused, -torch.inf)


class SameTokenEverywhere(LogitsProcessor):
    """Makes every process of a sharded model choose the most likely token of the main process, despite rounding differences."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        chosen = scores.argmax(-1, keepdim=True)
        dist.broadcast(chosen, 0)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


class SeededDraws(LogitsProcessor):
    """Samples the next token of every row and excludes all others, so that a greedy choice takes it.

    A row depends on its own random numbers and logits only, not on the other rows of the batch.

    Args:
        draws: `[rows, steps]` float64 in [0, 1), one for each new token.
    """

    def __init__(self, draws: Tensor) -> None:
        self._draws = draws

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        below = scores.softmax(-1).cumsum(-1)  # [rows, vocabulary]
        total = below[:, -1:]
        wanted = self._draws[:, input_ids.shape[1], None].to(below) * total
        wanted = wanted.minimum(torch.nextafter(total, torch.zeros_like(total)))  # never chooses a token of probability zero
        chosen = torch.searchsorted(below, wanted, right=True)
        return torch.full_like(scores, -torch.inf).scatter(1, chosen, 0.0)


COLDEST = 1e-6
"""A lower temperature is as this one: the likeliest token is taken, and logits that are divided by it are finite."""


WARPERS = attrgetter("temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""What `sampling_warpers` depends on."""


def sampling_warpers(sampling: TokenSampling, device: torch.device) -> list[LogitsProcessor]:
    """The processors of transformers that change the distribution before sampling, in its order; the temperature is above 0."""
    warpers: list[Any] = []
    if sampling.temperature != 1:
        warpers.append(TemperatureLogitsWarper(max(float(sampling.temperature), COLDEST)))
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        warpers.append(MinPLogitsWarper(sampling.min_p))
    if sampling.typical_p < 1:
        warpers.append(TypicalLogitsWarper(sampling.typical_p))
    if sampling.epsilon_cutoff:
        warpers.append(EpsilonLogitsWarper(sampling.epsilon_cutoff))
    if sampling.eta_cutoff:
        warpers.append(EtaLogitsWarper(sampling.eta_cutoff, device=device))
    return warpers
