"""The tokens of a batch one after another, without padding, and which of them see which."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moft_llm.network.attention_mask import positions
from moft_llm.network.sequential_attention import Packing


@dataclass(frozen=True)
class Packed:
    """N tokens, those of a prefix among them, row after row.

    Args:
        rows: `[N]` int64, the row of the batch that each is of.
        columns: `[N]` int64, where in its row, the prefix included.
        positions: `[N]` int64, as the model counts them.
        places: `[batch, prefix + time]` int64, where each token of a row stands among the N; padding is nowhere.
        packing: what they see.
    """

    rows: Tensor
    columns: Tensor
    positions: Tensor
    places: Tensor
    packing: Packing


def packed(segments: Tensor, prefix: int, *, shared: bool) -> Packed:
    """The layout of a batch.

    Args:
        segments: `[batch, time]`: 0 for the prompt, k for response k, -1 for padding; each stands together.
        prefix: tokens before the prompt of each row.
        shared: each response sees the prefix, the prompt and itself; else a row is one sequence.
    """
    whole = torch.cat([segments.new_zeros(len(segments), prefix), segments], 1)  # [batch, prefix + time]
    kept = whole >= 0
    rows, columns = kept.nonzero(as_tuple=True)  # [N]
    ahead = torch.arange(prefix, device=segments.device).expand(len(segments), -1)
    counted = torch.cat([ahead, positions(segments) + prefix], 1)[kept]  # [N]
    places = kept.flatten().cumsum(0).sub(1).view_as(kept)
    packing = _shared(rows, whole[kept]) if shared else _rows(rows)
    return Packed(rows, columns, counted, places, packing)


def _rows(rows: Tensor) -> Packing:
    """Every row a sequence of its own."""
    _, sizes = _runs(rows[1:] != rows[:-1])
    ends, longest = _ends(sizes), int(sizes.amax())
    return Packing(None, ends, ends, longest, longest)


def _shared(rows: Tensor, segments: Tensor) -> Packing:
    """Prompts see themselves; responses see their prompt and themselves. Of the rows and segments of N tokens."""
    starts, sizes = _runs((rows[1:] != rows[:-1]) | (segments[1:] != segments[:-1]))  # [s]
    is_prompt = segments[starts] == 0
    prompt = is_prompt.cumsum(0) - 1  # [s], which of the prompts
    first, size = (values[is_prompt][prompt] for values in (starts, sizes))  # [s], of the prompt of each sequence
    before = torch.where(is_prompt, 0, size)
    seen = before + sizes  # [s]
    owner = torch.repeat_interleave(torch.arange(len(seen), device=rows.device), seen)  # [K]
    offset = torch.arange(len(owner), device=rows.device) - (seen.cumsum(0) - seen)[owner]
    keys = torch.where(offset < before[owner], first[owner] + offset, starts[owner] + offset - before[owner])
    most_queries, most_keys = torch.stack([sizes.amax(), seen.amax()]).tolist()
    return Packing(keys, _ends(sizes), _ends(seen), most_queries, most_keys)


def _runs(changes: Tensor) -> tuple[Tensor, Tensor]:
    """Where runs begin and how long they are, `[s]` int64 each, from where N - 1 neighbours differ."""
    starts = torch.cat([changes.new_ones(1), changes]).nonzero().squeeze(1)
    return starts, torch.cat([starts[1:], starts.new_full((1,), len(changes) + 1)]) - starts


def _ends(sizes: Tensor) -> Tensor:
    """`[s + 1]` int32, where sequences of these sizes begin, and where the last ends."""
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]).int()
