"""The next token of each row of a running batch, by the settings of its own request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import RepetitionPenaltyLogitsProcessor

from moft_llm.generation.decoding import Decoding
from moft_llm.generation.logits_processors import SeededDraws, sampling_warpers

if TYPE_CHECKING:
    from moft_llm.serving.row import Row


def choose_tokens(logits: Tensor, rows: Sequence[Row]) -> list[int]:
    """The next token of each row; rows with the same settings are sampled together, each with its own random numbers.

    Args:
        logits: `[rows, vocabulary]` float32, at the dial of each row; excluded tokens have minus infinity.
        rows: one for each row of logits.
    """
    changed = [(place, row) for place, row in enumerate(rows) if _is_changed(row)]
    scores = logits.clone() if changed else logits
    for place, row in changed:
        scores[place] = _penalised(scores[place], row)
    groups: dict[Decoding, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        groups[row.decoding].append(place)
    chosen = torch.empty(len(rows), dtype=torch.long, device=logits.device)
    for decoding, places in groups.items():
        own = scores if len(places) == len(rows) else scores[places]
        if not decoding.greedy:
            draws = torch.stack([rows[place].draw for place in places]).to(own.device)
            none = torch.empty(len(places), 0, dtype=torch.long, device=own.device)  # processors count the tokens so far
            for processor in (*sampling_warpers(decoding), SeededDraws(draws)):
                own = processor(none, own)
        chosen[places] = own.argmax(-1)
    found: list[int] = chosen.tolist()
    return found


def _is_changed(row: Row) -> bool:
    sampling = row.request.sampling
    penalties = sampling.presence_penalty, sampling.frequency_penalty, sampling.repetition_penalty - 1
    return bool(sampling.bias) or any(penalties)


def _penalised(scores: Tensor, row: Row) -> Tensor:
    """`[vocabulary]`, the logits of a row after its penalties and its bias."""
    sampling, device = row.request.sampling, scores.device
    if sampling.repetition_penalty != 1:
        seen = torch.tensor([[*row.request.prompt.tokens, *row.tokens]], device=device)
        processor: Any = RepetitionPenaltyLogitsProcessor(penalty=float(sampling.repetition_penalty))
        scores = processor(seen, scores.unsqueeze(0))[0]
    if row.tokens:
        counts = torch.bincount(torch.tensor(row.tokens, device=device), minlength=len(scores)).to(scores)
        scores = scores - sampling.frequency_penalty * counts - sampling.presence_penalty * (counts > 0)
    if sampling.bias:
        places = torch.tensor(list(sampling.bias), device=device)
        scores = scores.index_add(0, places, torch.tensor(list(sampling.bias.values())).to(scores))
    return scores
