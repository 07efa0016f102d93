"""Attention of packed sequences, computed one sequence after another in any precision; the reference for faster kernels."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from moft_llm.network.attention.sequence_packing import Packing


def attend_sequentially(query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float) -> tuple[Tensor, Tensor]:
    """The attention output, `[N, heads, width]`, and the log-sum-exp of each softmax, `[heads, N]`; without gradient.

    Args:
        query: `[N, heads, width]`.
        key: `[N, groups, width]`; heads are a multiple of groups.
        value: `[N, groups, width]`.
        packing: of the N tokens.
        scale: of the scores, before their softmax.
    """
    exact = torch.promote_types(query.dtype, torch.float32)
    output, sums = torch.empty_like(query, memory_format=torch.contiguous_format), []
    for queries, keys in _sequences(packing):
        scores = _scores(query[queries], key[keys], scale, exact)
        sums.append(scores.logsumexp(-1))  # [heads, queries]
        shares = (scores - sums[-1].unsqueeze(-1)).exp()
        output[queries] = (shares @ _by_head(value[keys], query, exact)).transpose(0, 1).to(output.dtype)
    return output, torch.cat(sums, 1)


def sequential_attention_gradients(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, output: Tensor, sums: Tensor, packing: Packing, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients for query, key and value, given the gradient for the output, `[N, heads, width]`."""
    exact = sums.dtype
    for_query, for_key, for_value = (torch.zeros(part.shape, dtype=exact, device=part.device) for part in (query, key, value))
    for queries, keys in _sequences(packing):
        shares = (
            _scores(query[queries], key[keys], scale, exact) - sums[:, queries].unsqueeze(-1)
        ).exp()  # [heads, queries, keys]
        upstream, attended = (part[queries].to(exact).transpose(0, 1) for part in (grad, output))  # [heads, queries, width]
        slopes = (
            shares * (upstream @ _by_head(value[keys], query, exact).mT - (upstream * attended).sum(-1, keepdim=True)) * scale
        )
        for_query[queries] = (slopes @ _by_head(key[keys], query, exact)).transpose(0, 1)
        for total, part in ((for_key, slopes.mT @ query[queries].to(exact).transpose(0, 1)), (for_value, shares.mT @ upstream)):
            grouped = part.reshape(key.shape[1], -1, *part.shape[1:]).sum(1).transpose(0, 1)  # [keys, groups, width]
            total.index_add_(0, _places(keys, total), grouped)
    return for_query.to(query.dtype), for_key.to(key.dtype), for_value.to(value.dtype)


def _sequences(packing: Packing) -> list[tuple[slice, slice | Tensor]]:
    """The queries and the keys of each sequence."""
    queries, keys = (
        [slice(*bounds) for bounds in pairwise(starts.tolist())] for starts in (packing.query_starts, packing.key_starts)
    )
    return [(q, k if packing.keys is None else packing.keys[k]) for q, k in zip(queries, keys, strict=True)]


def _places(keys: slice | Tensor, values: Tensor) -> Tensor:
    """`[keys]` int64, the places of a sequence's keys among `values`, `[N, ...]`."""
    return torch.arange(len(values), device=values.device)[keys] if isinstance(keys, slice) else keys


def _by_head(values: Tensor, query: Tensor, dtype: torch.dtype) -> Tensor:
    """`[heads, keys, width]` from `[keys, groups, width]`."""
    return values.to(dtype).transpose(0, 1).repeat_interleave(query.shape[1] // values.shape[1], 0)


def _scores(query: Tensor, key: Tensor, scale: float, dtype: torch.dtype) -> Tensor:
    """`[heads, queries, keys]`: the lowest finite number where a key comes after the query. Both end at the same token."""
    scores = query.to(dtype).transpose(0, 1) @ _by_head(key, query, dtype).mT * scale
    later = torch.ones_like(scores[0], dtype=torch.bool).triu(1 + scores.shape[2] - scores.shape[1])
    return scores.masked_fill(later, torch.finfo(dtype).min)
