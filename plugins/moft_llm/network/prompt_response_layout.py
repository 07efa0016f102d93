"""Rows of a batch that hold prompts and responses: their layout, and which hidden state predicts which token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft import ShapeError
from moft_llm.network.attention.attention_mask import segment_starts


@dataclass(frozen=True)
class Predictions:
    """The N response tokens of a batch, each with the place whose hidden state predicts it.

    Args:
        rows: `[N]` int64, of the batch.
        sources: `[N]` int64, places whose hidden states predict them: the token before, or the prompt's last for a first one.
        places: `[N]` int64, places of the tokens in their rows.
        responses: `[N]` int64, their responses in the row, from 0.
    """

    rows: Tensor
    sources: Tensor
    places: Tensor
    responses: Tensor


def check_layout(tokens: Tensor, segments: Tensor, items: Tensor) -> None:
    """Checks that tokens, segments and items belong to one batch.

    Raises:
        ShapeError: they are not `[batch, time]` twice and `[batch, list]`.
    """
    if tokens.shape != segments.shape or segments.dim() != 2 or items.dim() != 2 or len(items) != len(segments):
        raise ShapeError(
            "tokens and segments must be [batch, time] and items [batch, list], got "
            f"{list(tokens.shape)}, {list(segments.shape)} and {list(items.shape)}."
        )


def predictions(segments: Tensor) -> Predictions:
    """Which hidden states predict the response tokens.

    Args:
        segments: `[batch, time]`, as in `positions`.
    """
    rows, places = (segments > 0).nonzero(as_tuple=True)
    is_first = places == segment_starts(segments)[rows, places]
    last_of_prompt = (segments == 0).sum(1) - 1
    return Predictions(rows, torch.where(is_first, last_of_prompt[rows], places - 1), places, segments[rows, places] - 1)


def trim_padding(tokens: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
    """Both `[batch, time]`, without columns that are padding in every row."""
    longest = int((segments >= 0).sum(1).amax())
    return tokens[:, :longest], segments[:, :longest]


def separate_responses(tokens: Tensor, segments: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One row for each response: prompt, response, padding.

    Args:
        tokens: `[batch, time]`.
        segments: `[batch, time]`, as in `positions`.

    Returns: tokens and segments, `[responses, time]`; the row of the batch and the response (from 0) of each, `[responses]`.
    """
    count = int(segments.amax())
    wanted = torch.arange(1, count + 1, device=segments.device)
    rows, responses = (segments.unsqueeze(1) == wanted[:, None]).any(2).nonzero(as_tuple=True)
    copied = segments[rows]  # [responses, time]
    is_own = (copied == 0) | (copied == responses.unsqueeze(1) + 1)
    order = (~is_own).to(torch.int8).argsort(dim=1, stable=True)[:, : int(is_own.sum(1).amax())]
    is_own = is_own.gather(1, order)
    separated = copied.gather(1, order).clamp(max=1).masked_fill(~is_own, -1)
    return tokens[rows].gather(1, order), separated, rows, responses
