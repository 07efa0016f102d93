"""A forward pass of a language model over a batch, up to the hidden states that predict the tokens of its responses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from moft import ShapeError
from moft_llm.network.architecture import embeddings_of
from moft_llm.network.attention_mask import Predictions, additive, attended, positions
from moft_llm.network.lora import Gates
from moft_llm.network.sequence_packing import packed

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def padded_pass(
    network: PreTrainedModel,
    tokens: Tensor,
    segments: Tensor,
    found: Predictions,
    prefix: Tensor | None,
    within: Gates,
    gates: Mapping[str, Tensor],
    *,
    shared: bool,
    most: int | None,
) -> Tensor:
    """`[N, hidden]`, the hidden states of `found`, from rows padded to one length.

    Args:
        network: the causal model.
        tokens: `[batch, time]` int64.
        segments: `[batch, time]`, as for `packed`.
        found: which tokens are predicted from where.
        prefix: `[batch, p, hidden]`, put before each row; None for none.
        within: holds the gates of LoRA.
        gates: `[batch, rank]` by layer.
        shared: a row holds several responses to its prompt, and gets a mask for that; else one, and needs none.
        most: positions that the model has, where there is a limit.

    Raises:
        ShapeError: a row is longer than that.
    """
    embedded: Tensor = embeddings_of(network)(tokens)  # [batch, time, hidden]
    ahead = 0 if prefix is None else prefix.shape[1]
    if prefix is not None:
        embedded = torch.cat([prefix, embedded], 1)  # [batch, p + time, hidden]
    places = torch.arange(embedded.shape[1], device=tokens.device).expand(len(tokens), -1)
    mask = None
    if shared:
        places = torch.cat([places[:, :ahead], positions(segments) + ahead], 1)
        mask = additive(attended(segments, ahead), embedded.dtype)
    _check_positions(places, ahead, most)
    with within.of(gates):
        hidden = _decoded(network, embedded, places, mask)
    return hidden[found.rows, ahead + found.sources]


def packed_pass(
    network: PreTrainedModel,
    tokens: Tensor,
    segments: Tensor,
    found: Predictions,
    prefix: Tensor | None,
    within: Gates,
    gates: Mapping[str, Tensor],
    *,
    shared: bool,
    most: int | None,
) -> Tensor:
    """`[N, hidden]`, as `padded_pass` gives, from tokens that stand one after another without padding.

    The arguments are those of `padded_pass`; the network attends as `attention.NAME`.

    Raises:
        ShapeError: a row is longer than the model's positions, or its attention does more than packed sequences can.
    """
    ahead = 0 if prefix is None else prefix.shape[1]
    layout = packed(segments, ahead, shared=shared)
    _check_positions(layout.positions, ahead, most)
    is_token = layout.columns >= ahead
    inside = tokens[layout.rows[is_token], layout.columns[is_token] - ahead]
    embedded: Tensor = embeddings_of(network)(inside)  # [tokens, hidden]
    if prefix is not None:
        order = torch.where(
            is_token, len(tokens) * ahead + is_token.cumsum(0) - 1, layout.rows * ahead + layout.columns
        )  # [N], in prefixes and then tokens
        embedded = torch.cat([prefix.flatten(0, 1), embedded]).index_select(0, order)
    # A mask of four axes is given to the attention as it is, which ignores it; one that does not shall see it.
    no_mask = embedded.new_full((1, 1, 1, 1), math.nan)
    owners = one_hot(layout.rows, len(tokens)).to(embedded) if gates else None  # [N, batch]
    with within.of(gates, owners):
        hidden = _decoded(network, embedded.unsqueeze(0), layout.positions.unsqueeze(0), no_mask, packing=layout.packing)
    return hidden[0].index_select(0, layout.places[found.rows, ahead + found.sources])


def _check_positions(places: Tensor, ahead: int, most: int | None) -> None:
    if most is not None and places.shape[-1] > most and (longest := int(places.amax()) + 1) > most:
        raise ShapeError(f"a row of {longest} tokens, {ahead} of them a prefix, where the model has {most} positions.")


def _decoded(network: PreTrainedModel, embedded: Tensor, places: Tensor, mask: Tensor | None, **more: Any) -> Tensor:
    """`[batch, time, hidden]`, last hidden states."""
    decoder: Any = network.get_decoder()
    outputs = decoder(inputs_embeds=embedded, attention_mask=mask, position_ids=places, use_cache=False, **more)
    hidden: Tensor = outputs.last_hidden_state
    return hidden
