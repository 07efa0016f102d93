"""Where the tokens of a batch stand: positions, attention masks, and which hidden states predict which tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft import ShapeError


@dataclass(frozen=True)
class Predictions:
    """The response tokens of a batch, N in all, each with the place whose hidden state predicts it.

    Args:
        rows: `[N]` int64, of the batch.
        sources: `[N]` int64, places in the row: the token before, or the last of the prompt for a response's first.
        places: `[N]` int64, where the tokens themselves stand in the row.
        responses: `[N]` int64, which response of the row they belong to, from 0.
    """

    rows: Tensor
    sources: Tensor
    places: Tensor
    responses: Tensor


def check_layout(inputs_tokens: Tensor, segments: Tensor, items: Tensor) -> None:
    """Nothing, when tokens, segments and items are of one batch.

    Raises:
        ShapeError: they are not `[batch, time]` twice and `[batch, list]`.
    """
    if inputs_tokens.shape != segments.shape or segments.dim() != 2 or items.dim() != 2 or len(items) != len(segments):
        raise ShapeError(
            "tokens and segments must be [batch, time] and items [batch, list], got "
            f"{list(inputs_tokens.shape)}, {list(segments.shape)} and {list(items.shape)}."
        )


def positions(segments: Tensor) -> Tensor:
    """`[batch, time]` int64: the prompt counts from 0, every response goes on where the prompt ends; padding is at 0.

    Args:
        segments: `[batch, time]`, 0 for the prompt, k for response k, -1 for padding; each stands together.
    """
    places = torch.arange(segments.shape[1], device=segments.device).expand_as(segments)
    prompt = (segments == 0).sum(1, keepdim=True)
    counted = torch.where(segments > 0, prompt + places - _starts(segments), places)
    return counted.masked_fill(segments < 0, 0)


def attended(segments: Tensor, prefix: int) -> Tensor:
    """`[batch, prefix + time, prefix + time]` bool, True where a token (row) sees another (column).

    A token sees the prefix, the prompt and its own response, up to itself. Padding is seen by nothing but padding.

    Args:
        segments: `[batch, time]`, as in `positions`.
        prefix: tokens before the prompt.
    """
    whole = torch.cat([segments.new_zeros(len(segments), prefix), segments], 1)
    queries, keys = whole.unsqueeze(2), whole.unsqueeze(1)
    return ((keys == 0) | (keys == queries)).tril_()  # [batch, prefix + time, prefix + time]


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """`[batch, 1, query, key]`: 0 where `seen`, the lowest finite number elsewhere; what every attention adds to its scores."""
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill_(~seen, torch.finfo(dtype).min).unsqueeze(1)


def predictions(segments: Tensor) -> Predictions:
    """Which hidden states predict the response tokens.

    Args:
        segments: `[batch, time]`, as in `positions`.
    """
    rows, places = (segments > 0).nonzero(as_tuple=True)
    is_first = places == _starts(segments)[rows, places]
    last_of_prompt = (segments == 0).sum(1) - 1
    return Predictions(rows, torch.where(is_first, last_of_prompt[rows], places - 1), places, segments[rows, places] - 1)


def trimmed(tokens: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
    """Both `[batch, time]` without the columns that are padding in every row."""
    longest = int((segments >= 0).sum(1).amax())
    return tokens[:, :longest], segments[:, :longest]


def separated(tokens: Tensor, segments: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One row for each response: prompt, response, padding.

    Args:
        tokens: `[batch, time]`.
        segments: `[batch, time]`, as in `positions`.

    Returns: tokens and segments, `[responses, time]`; the row of the batch and the response (from 0) of each, `[responses]`.
    """
    count = int(segments.amax())
    wanted = torch.arange(1, count + 1, device=segments.device)
    rows, responses = (segments.unsqueeze(1) == wanted[:, None]).any(2).nonzero(as_tuple=True)
    mine = segments[rows]  # [responses, time]
    kept = (mine == 0) | (mine == responses.unsqueeze(1) + 1)
    order = (~kept).to(torch.int8).argsort(dim=1, stable=True)[:, : int(kept.sum(1).amax())]
    kept = kept.gather(1, order)
    one = mine.gather(1, order).clamp(max=1).masked_fill(~kept, -1)
    return tokens[rows].gather(1, order), one, rows, responses


def _starts(segments: Tensor) -> Tensor:
    """`[batch, time]` int64, the place where the segment that each token belongs to begins."""
    places = torch.arange(segments.shape[1], device=segments.device).expand_as(segments)
    begins = torch.ones_like(segments, dtype=torch.bool)
    begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
    return torch.where(begins, places, 0).cummax(1).values
