"""Sequence packing: the tokens of a batch one after another without padding, and which of them attend to which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from moft_llm.network.attention.attention_mask import positions


class Packing(NamedTuple):
    """Which tokens of a packed batch attend to which: s sequences of queries, each with its keys.

    The queries of all sequences, in order, are the N tokens. A query attends to the keys of its sequence up to its own, which
    is the last one.

    Args:
        keys: `[K]` int64, the tokens that give each sequence its keys, sequence after sequence; None where they are its queries.
        query_starts: `[s + 1]` int32, where the queries of each sequence begin, and where the last ends.
        key_starts: `[s + 1]` int32, the same for `keys`.
        max_queries: queries of the longest sequence.
        max_keys: keys of the longest sequence.
    """

    keys: Tensor | None
    query_starts: Tensor
    key_starts: Tensor
    max_queries: int
    max_keys: int


@dataclass(frozen=True)
class PackedRows:
    """N tokens, including those of a prefix, row after row.

    Args:
        rows: `[N]` int64, the row of the batch that each token is from.
        columns: `[N]` int64, its place in that row, the prefix included.
        positions: `[N]` int64, its position in the model.
        places: `[batch, prefix + time]` int64, where each token of a row is among the N; undefined for padding.
        packing: which tokens attend to which.
    """

    rows: Tensor
    columns: Tensor
    positions: Tensor
    places: Tensor
    packing: Packing


def pack_rows(segments: Tensor, prefix: int, *, shared: bool) -> PackedRows:
    """The packed layout of a batch.

    Args:
        segments: `[batch, time]`: 0 for the prompt, k for response k, -1 for padding; each is contiguous.
        prefix: tokens before the prompt of each row.
        shared: True lets each response see the prefix, the prompt and itself; False makes each row one sequence.
    """
    whole = torch.cat([segments.new_zeros(len(segments), prefix), segments], 1)  # [batch, prefix + time]
    is_token = whole >= 0
    rows, columns = is_token.nonzero(as_tuple=True)  # [N]
    ahead = torch.arange(prefix, device=segments.device).expand(len(segments), -1)
    counted = torch.cat([ahead, positions(segments) + prefix], 1)[is_token]  # [N]
    places = is_token.flatten().cumsum(0).sub(1).view_as(is_token)
    packing = _shared_packing(rows, whole[is_token]) if shared else _row_packing(rows)
    return PackedRows(rows, columns, counted, places, packing)


def _row_packing(rows: Tensor) -> Packing:
    """Each row is one sequence."""
    _, sizes = _runs(rows[1:] != rows[:-1])
    bounds, longest = _bounds(sizes), int(sizes.amax())
    return Packing(None, bounds, bounds, longest, longest)


def _shared_packing(rows: Tensor, segments: Tensor) -> Packing:
    """Prompts see themselves, responses their prompt and themselves. `rows` and `segments` are those of the N tokens."""
    starts, sizes = _runs((rows[1:] != rows[:-1]) | (segments[1:] != segments[:-1]))  # [s]
    is_prompt = segments[starts] == 0
    prompt = is_prompt.cumsum(0) - 1  # [s], which of the prompts
    first, size = (values[is_prompt][prompt] for values in (starts, sizes))  # [s], of the prompt of each sequence
    before = torch.where(is_prompt, 0, size)
    key_counts = before + sizes  # [s]
    owner = torch.repeat_interleave(torch.arange(len(key_counts), device=rows.device), key_counts)  # [K]
    offset = torch.arange(len(owner), device=rows.device) - (key_counts.cumsum(0) - key_counts)[owner]
    keys = torch.where(offset < before[owner], first[owner] + offset, starts[owner] + offset - before[owner])
    max_queries, max_keys = torch.stack([sizes.amax(), key_counts.amax()]).tolist()
    return Packing(keys, _bounds(sizes), _bounds(key_counts), max_queries, max_keys)


def _runs(changes: Tensor) -> tuple[Tensor, Tensor]:
    """`[s]` int64 twice: where runs begin, and how long they are. `changes`, `[N - 1]`, is True where neighbours differ."""
    starts = torch.cat([changes.new_ones(1), changes]).nonzero().squeeze(1)
    return starts, torch.cat([starts[1:], starts.new_full((1,), len(changes) + 1)]) - starts


def _bounds(sizes: Tensor) -> Tensor:
    """`[s + 1]` int32: where sequences of these sizes begin, and where the last ends."""
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]).int()
