"""The next token of each row of a running batch, by the settings of its own request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from moft_llm.generation.logits_processors import WARPERS, SeededDraws, sampling_warpers
from moft_llm.generation.token_penalties import has_penalties, penalised

if TYPE_CHECKING:
    from moft_llm.serving.row import Row


def choose_tokens(logits: Tensor, rows: Sequence[Row], ends: Collection[int]) -> list[int]:
    """The next token of each row; rows with the same settings are sampled together, each with its own random numbers.

    Args:
        logits: `[rows, vocabulary]` float32, at the dial of each row; excluded tokens have minus infinity.
        rows: one for each row of logits.
        ends: tokens that end a text.
    """
    changed = [(place, row) for place, row in enumerate(rows) if has_penalties(row.request.sampling)]
    scores = logits.clone() if changed else logits
    for place, row in changed:
        scores[place] = penalised(scores[place], row.request.prompt.tokens, row.tokens, row.request.sampling, ends)
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        sampling = row.request.sampling
        groups[WARPERS(sampling) if sampling.temperature else None].append(place)
    chosen = torch.empty(len(rows), dtype=torch.long, device=logits.device)
    for is_sampled, places in groups.items():
        own = scores if len(places) == len(rows) else scores[places]
        if is_sampled:
            warpers = sampling_warpers(rows[places[0]].request.sampling, own.device)
            draws = torch.stack([rows[place].draw for place in places]).to(own.device)
            none = torch.empty(len(places), 0, dtype=torch.long, device=own.device)  # processors count the tokens so far
            for processor in (*warpers, SeededDraws(draws)):
                own = processor(none, own)
        chosen[places] = own.argmax(-1)
    found: list[int] = chosen.tolist()
    return found
