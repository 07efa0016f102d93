"""Logits changed by what a text has already, and by what it may not have yet; for a row of a batch, and for all rows of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, NoRepeatNGramLogitsProcessor, RepetitionPenaltyLogitsProcessor

from moft.api import TokenSampling


def has_penalties(sampling: TokenSampling) -> bool:
    """Whether `penalised` changes anything."""
    penalties = sampling.presence_penalty, sampling.frequency_penalty, sampling.repetition_penalty - 1
    return bool(sampling.bias or sampling.no_repeat_ngram or sampling.min_tokens) or any(penalties)


def penalised(
    scores: Tensor, prompt: Sequence[int], tokens: Sequence[int], sampling: TokenSampling, ends: Collection[int]
) -> Tensor:
    """`[vocabulary]`, the logits of a row after its penalties and its bias.

    Args:
        scores: `[vocabulary]`, logits.
        prompt: its tokens.
        tokens: of the text so far.
        sampling: how tokens are chosen.
        ends: tokens that end a text.
    """
    device = scores.device
    seen = torch.tensor([[*prompt, *tokens]], device=device)
    if sampling.repetition_penalty != 1:
        processor: Any = RepetitionPenaltyLogitsProcessor(penalty=float(sampling.repetition_penalty))
        scores = processor(seen, scores.unsqueeze(0))[0]
    if tokens and (sampling.frequency_penalty or sampling.presence_penalty):
        counts = torch.bincount(torch.tensor(tokens, device=device), minlength=len(scores)).to(scores)
        scores = scores - sampling.frequency_penalty * counts - sampling.presence_penalty * (counts > 0)
    biased = _biased([*prompt, *tokens], sampling.bias)
    if biased:
        places = torch.tensor(list(biased), device=device)
        scores = scores.index_add(0, places, torch.tensor(list(biased.values())).to(scores))
    if sampling.no_repeat_ngram:
        excluded = NoRepeatNGramLogitsProcessor(sampling.no_repeat_ngram)(seen, scores.unsqueeze(0))[0]
        scores = excluded if bool(excluded.isfinite().any()) else scores  # where every token would repeat one
    if len(tokens) < sampling.min_tokens:
        scores = scores.index_fill(0, torch.tensor(sorted(ends), device=device), -torch.inf)
    return scores


def _biased(seen: Sequence[int], bias: Mapping[int | tuple[int, ...], float]) -> dict[int, float]:
    """What is added to the logits of tokens after those that are there."""
    found: dict[int, float] = {}
    for key, value in bias.items():
        *before, last = (key,) if isinstance(key, int) else key
        if list(seen[len(seen) - len(before) :]) == before:
            found[last] = found.get(last, 0.0) + value
    return found


class Penalties(LogitsProcessor):
    """Applies `penalised` to every row of a batch.

    Args:
        prompts: tokens of each row.
        sampling: how tokens are chosen.
        ends: tokens that end a text.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], sampling: TokenSampling, ends: Collection[int]) -> None:
        self._prompts, self._sampling, self._ends = prompts, sampling, ends

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        rows = zip(scores, self._prompts, input_ids.tolist(), strict=True)
        return torch.stack([penalised(row, prompt, tokens, self._sampling, self._ends) for row, prompt, tokens in rows])
