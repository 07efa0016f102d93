"""Attention of packed sequences, one after another, in any precision: what faster kernels are compared with."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor


class Packing(NamedTuple):
    """Which tokens of a packed batch are seen by which: s sequences of queries, each with the keys it sees.

    The queries of all sequences, in order, are the N tokens. A query sees the keys of its sequence up to its own, the last one.

    Args:
        keys: `[K]` int64, the tokens whose keys each sequence sees, sequence after sequence; None where they are its queries.
        query_starts: `[s + 1]` int32, where the queries of each sequence begin, and where the last ends.
        key_starts: `[s + 1]` int32, the same for `keys`.
        most_queries: of one sequence.
        most_keys: of one sequence.
    """

    keys: Tensor | None
    query_starts: Tensor
    key_starts: Tensor
    most_queries: int
    most_keys: int


def attended_one_by_one(query: Tensor, key: Tensor, value: Tensor, packing: Packing, scale: float) -> tuple[Tensor, Tensor]:
    """What each token attends to, `[N, heads, width]`, and the logarithms of its softmaxes' sums, `[heads, N]`, without gradient.

    Args:
        query: `[N, heads, width]`.
        key: `[N, groups, width]`; heads are a multiple of groups.
        value: `[N, groups, width]`.
        packing: of the N tokens.
        scale: of the scores, before their softmax.
    """
    exact = torch.promote_types(query.dtype, torch.float32)
    output, sums = torch.empty_like(query, memory_format=torch.contiguous_format), []
    for own, seen in _sequences(packing):
        scores = _scores(query[own], key[seen], scale, exact)
        sums.append(scores.logsumexp(-1))  # [heads, queries]
        shares = (scores - sums[-1].unsqueeze(-1)).exp()
        output[own] = (shares @ _by_head(value[seen], query, exact)).transpose(0, 1).to(output.dtype)
    return output, torch.cat(sums, 1)


def gradients_one_by_one(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, output: Tensor, sums: Tensor, packing: Packing, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients for query, key and value, of the one for the output, `[N, heads, width]`."""
    exact = sums.dtype
    found = [torch.zeros(part.shape, dtype=exact, device=part.device) for part in (query, key, value)]
    for own, seen in _sequences(packing):
        shares = (_scores(query[own], key[seen], scale, exact) - sums[:, own].unsqueeze(-1)).exp()  # [heads, queries, keys]
        up, out = (part[own].to(exact).transpose(0, 1) for part in (grad, output))  # [heads, queries, width]
        slopes = shares * (up @ _by_head(value[seen], query, exact).mT - (up * out).sum(-1, keepdim=True)) * scale
        found[0][own] = (slopes @ _by_head(key[seen], query, exact)).transpose(0, 1)
        for total, part in ((found[1], slopes.mT @ query[own].to(exact).transpose(0, 1)), (found[2], shares.mT @ up)):
            grouped = part.reshape(key.shape[1], -1, *part.shape[1:]).sum(1).transpose(0, 1)  # [keys, groups, width]
            total.index_add_(0, _places(seen, total), grouped)
    return found[0].to(query.dtype), found[1].to(key.dtype), found[2].to(value.dtype)


def _sequences(packing: Packing) -> list[tuple[slice, slice | Tensor]]:
    """The queries of each sequence, and its keys."""
    queries, keys = (
        [slice(*ends) for ends in pairwise(starts.tolist())] for starts in (packing.query_starts, packing.key_starts)
    )
    return [(own, seen if packing.keys is None else packing.keys[seen]) for own, seen in zip(queries, keys, strict=True)]


def _places(seen: slice | Tensor, values: Tensor) -> Tensor:
    """`[keys]` int64, where the keys of a sequence stand among `values`, `[N, ...]`."""
    return torch.arange(len(values), device=values.device)[seen] if isinstance(seen, slice) else seen


def _by_head(values: Tensor, query: Tensor, dtype: torch.dtype) -> Tensor:
    """`[heads, keys, width]` of `[keys, groups, width]`."""
    return values.to(dtype).transpose(0, 1).repeat_interleave(query.shape[1] // values.shape[1], 0)


def _scores(query: Tensor, key: Tensor, scale: float, dtype: torch.dtype) -> Tensor:
    """`[heads, queries, keys]`, the lowest number where a key comes after the query; both end at the same token."""
    scores = query.to(dtype).transpose(0, 1) @ _by_head(key, query, dtype).mT * scale
    later = torch.ones_like(scores[0], dtype=torch.bool).triu(1 + scores.shape[2] - scores.shape[1])
    return scores.masked_fill(later, torch.finfo(dtype).min)
