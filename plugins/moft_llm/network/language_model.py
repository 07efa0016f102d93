"""A causal language model with LoRA and a prefix per row, which scores responses by their log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from moft import ConfigError
from moft.api import Injection, Inputs, Model, ModelSpec
from moft_llm.network.architecture import (
    checkpoint_layers,
    disable_dropout,
    embeddings_of,
    layers_of,
    learned_positions,
    lm_head_of,
    ordinary_tokens,
    unused_rows,
    widest_head,
)
from moft_llm.network.attention import packed_attention
from moft_llm.network.attention.attention_windows import shortest_window
from moft_llm.network.compilation import compile_layers, run_uncompiled
from moft_llm.network.forward_pass import Rows, packed_pass, padded_pass
from moft_llm.network.injection_shapes import expand_gates, expand_prefix
from moft_llm.network.lm_head import token_log_probabilities
from moft_llm.network.lora import LoRA, adapters_off, add_lora, peft_config
from moft_llm.network.lora_gates import Gates
from moft_llm.network.prompt_response_layout import check_layout, predictions, separate_responses, trim_padding
from moft_llm.network.score_self_check import check_scores, generation_fault, run_trial

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


MAX_SHARED = 8192
"""Tokens of the longest row in which responses share a prompt: attention of a longer one costs more than it saves."""


class LanguageModel(Model):
    """Scores the responses of each prompt: the sum of their tokens' log-probabilities.

    Inputs: `tokens` and `segments`, `[batch, time]` int64, and `items`, `[batch, list]` bool. A row holds the prompt
    (segment 0), then every response (segments 1, 2, ...), then padding (-1).

    Only LoRA and the prompt are trained. The base model is shared and never changed.

    Args:
        base: a frozen causal model.
        tokenizer: its tokenizer.
        tradeoff_size: width of the vector that conditioners read.
        lora: adapters; None for none.
        prompt_tokens: trained tokens before every row (prompt tuning), drawn from embeddings of ordinary tokens; 0 for none.
        share_prompt: True encodes a prompt once for all its responses, in one row; False takes one row for each response. The
            scores are the same. Rows longer than a model's attention window, or than `MAX_SHARED`, are always separated.
        length_normalization: means over the tokens of a response instead of sums.
        gradient_checkpointing: recomputes activations in the backward pass instead of storing them.
        is_compiled: compiles the parts of each layer, and the head's softmax, with `torch.compile`.

    Raises:
        ConfigError: the scores would be wrong for this architecture, or `prompt_tokens` are given and it cannot generate from
            embeddings.
    """

    generation_fault: str | None
    """Why the model cannot generate text and therefore takes no prefix, in one sentence; None where it can."""

    turn_end: int | None = None
    """The token that ends a response under the template, beside the tokenizer's EOS."""

    unused_rows: Tensor | None
    """`[vocabulary]` bool on the CPU, True for rows that no token of the tokenizer has; None where all have one."""

    tokenizer: PreTrainedTokenizerBase
    network: PreTrainedModel
    prompt: nn.Parameter | None

    def __init__(
        self,
        base: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        tradeoff_size: int,
        lora: LoRA | None,
        prompt_tokens: int,
        share_prompt: bool,
        length_normalization: bool,
        gradient_checkpointing: bool,
        is_compiled: bool = False,
    ) -> None:
        super().__init__()
        self.tokenizer, self.unused_rows = tokenizer, unused_rows(tokenizer, base)
        self.network = deepcopy(base, {id(value): value for value in base.parameters()}).requires_grad_(False)
        disable_dropout(self.network)
        trial = run_trial(self.network.eval())
        fault = generation_fault(self.network)
        self.generation_fault = fault and f"{trial.name} cannot generate from embeddings ({fault})."
        if self.generation_fault and prompt_tokens:
            raise ConfigError(f"prompt_tokens: {self.generation_fault} Set prompt_tokens: 0.")
        self._head_width = widest_head(self.network)  # raises before LoRA asks for the names of layers
        may_pack = packed_attention.install(self.network)
        if lora is not None:
            add_lora(self.network, peft_config(lora, self.network))
        self._gates = Gates()
        ranks = {} if lora is None else self._gates.attach(self.network)
        if gradient_checkpointing:
            checkpoint_layers(self.network, self._gates.contexts)
        self._share_prompt, self._is_packable, self._is_compiled = share_prompt, False, False
        self._length_normalization = length_normalization
        self._window = shortest_window(self.network)
        self._max_positions = learned_positions(self.network)
        with torch.no_grad():
            starts = embeddings_of(self.network)(ordinary_tokens(tokenizer, self.network)).float()  # [k, hidden]
        drawn = torch.randint(len(starts), (prompt_tokens,), generator=torch.default_generator)  # seeded by the engine
        self.prompt = nn.Parameter(starts[drawn]) if prompt_tokens else None
        slots = (*(() if fault else ("prefix",)), *(("gates",) if ranks else ()))
        self.spec = ModelSpec(
            tradeoff_size=tradeoff_size,
            hidden_size=starts.shape[1],
            slots=frozenset(slots),
            prefix_starts=starts,
            ranks=ranks,
            name=type(self.network).__name__,
        )
        self._is_packable = check_scores(
            trial, share_prompt, may_pack, lambda inputs, share, pack: self._sums(inputs, None, {}, share, pack)[0]
        )
        self.is_stackable = not gradient_checkpointing
        self._is_compiled = is_compiled
        if is_compiled:
            compile_layers(self.network)
        self.train()

    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        check_layout(inputs["tokens"], inputs["segments"], inputs["items"])
        rows = len(inputs["tokens"])
        return self._scores(inputs, self.prefix(rows, injection), self.gates(rows, injection))

    def reference(self, inputs: Inputs) -> Tensor:
        """`[batch, list]`, the scores of the base model: without prefix, prompt, LoRA and gradient."""
        check_layout(inputs["tokens"], inputs["segments"], inputs["items"])
        with torch.no_grad(), self.without_adapters():
            return self.opened(self._scores, inputs, None, {})

    def blocks(self) -> list[nn.Module]:
        return layers_of(self.network)

    def prefix(self, rows: int, injection: Injection) -> Tensor | None:
        """`[rows, p, hidden]` in the dtype of the embeddings: own prompt, then injected prefix; None where p is 0.

        It reads weights. Outside of `forward`, call it through `opened`.

        Raises:
            ShapeError: the injected prefix has neither `rows` rows nor one, or another width.
        """
        parts = [] if self.prompt is None else [self.prompt.expand(rows, -1, -1)]
        if injection.prefix is not None:
            parts.append(expand_prefix(injection.prefix, rows, self.spec.hidden_size))
        return torch.cat(parts, 1).to(embeddings_of(self.network).weight.dtype) if parts else None

    def gates(self, rows: int, injection: Injection) -> Mapping[str, Tensor]:
        """`[rows, rank]` by layer, the gates of LoRA; layers without gates are left out.

        Raises:
            ShapeError: the injection has gates of a layer without LoRA, or with other rows or ranks.
        """
        return expand_gates(injection.gates, rows, self.spec.ranks)

    def gated(self, gates: Mapping[str, Tensor]) -> AbstractContextManager[None]:
        """Applies `gates`, as returned by the method `gates`, to LoRA within the block."""
        return self._gates.of(gates)

    @contextmanager
    def without_adapters(self) -> Iterator[None]:
        """Switches LoRA off within the block."""
        with adapters_off(self.network):
            yield

    def uncompiled(self) -> AbstractContextManager[None]:
        """Runs eagerly within the block: with a cache of keys, every layer would be compiled again."""
        return run_uncompiled() if self._is_compiled else nullcontext()

    def _scores(self, inputs: Inputs, prefix: Tensor | None, gates: Mapping[str, Tensor]) -> Tensor:
        """`[batch, list]` float32."""
        scores, lengths = self._sums(inputs, prefix, gates, self._share_prompt, self._can_pack())
        return scores / lengths.clamp(min=1) if self._length_normalization else scores

    def _sums(
        self, inputs: Inputs, prefix: Tensor | None, gates: Mapping[str, Tensor], share: bool, pack: bool
    ) -> tuple[Tensor, Tensor]:
        """`[batch, list]` float32 twice: sums of log-probabilities, and numbers of tokens; 0 where there is no response."""
        tokens, segments = trim_padding(inputs["tokens"], inputs["segments"])
        items = inputs["items"]
        is_shared = share and items.shape[1] > 1 and segments.shape[1] <= MAX_SHARED and self._fits(segments, prefix)
        owners: list[Tensor] = []
        if not is_shared:
            tokens, segments, row_of, response_of = separate_responses(tokens, segments)
            owners = [row_of, response_of]
            prefix = None if prefix is None else prefix[row_of]
            gates = {layer: values[row_of] for layer, values in gates.items()}
        predicted = predictions(segments)
        forward = packed_pass if pack and self._fits(segments, prefix) else padded_pass
        batch = Rows(tokens, segments, predicted, prefix, gates, is_shared)
        hidden = forward(self.network, batch, self._gates, self._max_positions)  # [N, hidden]
        rows, responses = [owner[predicted.rows] for owner in owners] or (predicted.rows, predicted.responses)
        weight, bias, scale, softcap = lm_head_of(self.network)
        if scale != 1:
            hidden = hidden * scale
        log_probabilities = token_log_probabilities(
            hidden, weight, bias, tokens[predicted.rows, predicted.places], softcap=softcap, is_compiled=self._is_compiled
        )  # [N]
        slots = rows * items.shape[1] + responses
        scores, lengths = (
            values.new_zeros(items.numel()).index_add(0, slots, values).view_as(items).masked_fill(~items, 0)
            for values in (log_probabilities, torch.ones_like(log_probabilities))
        )
        return scores, lengths

    def _fits(self, segments: Tensor, prefix: Tensor | None) -> bool:
        """True when no row is longer than the attention window."""
        return self._window is None or segments.shape[1] + (0 if prefix is None else prefix.shape[1]) <= self._window

    def _can_pack(self) -> bool:
        """True when the network can pack sequences, and this is faster than padded rows on this device and in this dtype."""
        weight = embeddings_of(self.network).weight
        kind = weight.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        return self._is_packable and packed_attention.can_attend_packed(weight.device, dtype, self._head_width)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        memo[id(self.tokenizer)] = self.tokenizer  # large and never changed
        twin.__dict__.update({name: deepcopy(value, memo) for name, value in self.__dict__.items()})
        if twin._is_compiled:
            compile_layers(twin.network)
        return twin
