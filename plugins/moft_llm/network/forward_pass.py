"""A forward pass of a language model over a batch, up to the hidden states that predict the tokens of its responses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from moft import ShapeError
from moft_llm.network.architecture import embeddings_of
from moft_llm.network.attention.attention_mask import additive_mask, attention_mask, positions
from moft_llm.network.attention.sequence_packing import pack_rows
from moft_llm.network.lora_gates import Gates
from moft_llm.network.prompt_response_layout import Predictions

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Rows:
    """The rows of one forward pass.

    Args:
        tokens: `[batch, time]` int64.
        segments: `[batch, time]`, 0 for the prompt, k for response k, -1 for padding; each is contiguous.
        predictions: which hidden states predict which tokens.
        prefix: `[batch, p, hidden]`, put before each row; None for none.
        gates: of LoRA, `[batch, rank]` by layer.
        is_shared: True where a row holds several responses to its prompt; False where it holds one.
    """

    tokens: Tensor
    segments: Tensor
    predictions: Predictions
    prefix: Tensor | None
    gates: Mapping[str, Tensor]
    is_shared: bool

    @property
    def prefix_length(self) -> int:
        """Tokens of the prefix."""
        return 0 if self.prefix is None else self.prefix.shape[1]


def padded_pass(network: PreTrainedModel, rows: Rows, lora_gates: Gates, max_positions: int | None) -> Tensor:
    """`[N, hidden]`, the hidden states that predict the response tokens, from rows padded to one length.

    Args:
        network: the causal model.
        rows: what to run. Shared rows get an attention mask; others need none.
        lora_gates: the gates of the network's LoRA.
        max_positions: positions that the model has embeddings for; None where there is no limit.

    Raises:
        ShapeError: a row is longer than `max_positions`.
    """
    embedded: Tensor = embeddings_of(network)(rows.tokens)  # [batch, time, hidden]
    ahead = rows.prefix_length
    if rows.prefix is not None:
        embedded = torch.cat([rows.prefix, embedded], 1)  # [batch, p + time, hidden]
    places = torch.arange(embedded.shape[1], device=rows.tokens.device).expand(len(rows.tokens), -1)
    mask = None
    if rows.is_shared:
        places = torch.cat([places[:, :ahead], positions(rows.segments) + ahead], 1)
        mask = additive_mask(attention_mask(rows.segments, ahead), embedded.dtype)
    _check_positions(places, ahead, max_positions)
    with lora_gates.of(rows.gates):
        hidden = _last_hidden_states(network, embedded, places, mask)
    return hidden[rows.predictions.rows, ahead + rows.predictions.sources]


def packed_pass(network: PreTrainedModel, rows: Rows, lora_gates: Gates, max_positions: int | None) -> Tensor:
    """`[N, hidden]`, what `padded_pass` gives, computed from tokens packed one after another without padding.

    Args:
        network: the causal model, which attends as `packed_attention.NAME`.
        rows: as for `padded_pass`.
        lora_gates: as for `padded_pass`.
        max_positions: as for `padded_pass`.

    Raises:
        ShapeError: a row is longer than `max_positions`, or packed attention cannot do what the model's attention does.
    """
    ahead, batch = rows.prefix_length, len(rows.tokens)
    layout = pack_rows(rows.segments, ahead, shared=rows.is_shared)
    _check_positions(layout.positions, ahead, max_positions)
    is_token = layout.columns >= ahead
    inside = rows.tokens[layout.rows[is_token], layout.columns[is_token] - ahead]
    embedded: Tensor = embeddings_of(network)(inside)  # [tokens, hidden]
    if rows.prefix is not None:
        order = torch.where(
            is_token, batch * ahead + is_token.cumsum(0) - 1, layout.rows * ahead + layout.columns
        )  # [N], in prefixes and then tokens
        embedded = torch.cat([rows.prefix.flatten(0, 1), embedded]).index_select(0, order)
    # A mask of four axes reaches the attention function unchanged. Packed attention ignores it; any other gives NaN.
    no_mask = embedded.new_full((1, 1, 1, 1), math.nan)
    owners = one_hot(layout.rows, batch).to(embedded) if rows.gates else None  # [N, batch]
    with lora_gates.of(rows.gates, owners):
        hidden = _last_hidden_states(
            network, embedded.unsqueeze(0), layout.positions.unsqueeze(0), no_mask, packing=layout.packing
        )
    return hidden[0].index_select(0, layout.places[rows.predictions.rows, ahead + rows.predictions.sources])


def _check_positions(places: Tensor, ahead: int, max_positions: int | None) -> None:
    if max_positions is not None and places.shape[-1] > max_positions and (longest := int(places.amax()) + 1) > max_positions:
        raise ShapeError(
            f"a row has {longest} tokens, {ahead} of them a prefix; the model has positions for {max_positions} tokens."
        )


def _last_hidden_states(network: PreTrainedModel, embedded: Tensor, places: Tensor, mask: Tensor | None, **more: Any) -> Tensor:
    """`[batch, time, hidden]`."""
    decoder: Any = network.get_decoder()
    outputs = decoder(inputs_embeds=embedded, attention_mask=mask, position_ids=places, use_cache=False, **more)
    hidden: Tensor = outputs.last_hidden_state
    return hidden
