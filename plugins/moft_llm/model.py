"""A causal language model with LoRA and a prefix per row, which scores responses by their log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from moft import ShapeError
from moft.api import Injection, Inputs, Model, ModelSpec
from moft_llm.architecture import (
    check_scores,
    checkpoint_layers,
    embeddings_of,
    head_of,
    layers_of,
    learned_positions,
    ordinary_tokens,
    shortest_window,
    without_dropout,
)
from moft_llm.head import token_log_probabilities
from moft_llm.lora import Gates, LoRA, adapt, adapters_off, peft_config
from moft_llm.packing import additive, attended, check_layout, positions, predictions, separated, trimmed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class LanguageModel(Model):
    """Scores the responses of each prompt: the sum of their tokens' log-probabilities.

    Inputs: `tokens` and `segments`, `[batch, time]` int64, and `items`, `[batch, list]` bool. A row holds the prompt
    (segment 0), then every response (segments 1, 2, ...), then padding (-1).

    Only LoRA and the prompt are trained. The base is shared, never changed.

    Args:
        base: a frozen causal model.
        tokenizer: its tokenizer.
        tradeoff_size: width of the vector that conditioners read.
        lora: adapters; None for none.
        prompt_tokens: trained tokens before every row (plain prompt tuning), from embeddings of ordinary tokens; 0 for none.
        share_prompt: a prompt is encoded once for all its responses, in one row; else one row for each response. The scores are
            the same. Rows longer than a model's attention window are always taken apart.
        length_normalization: means over the tokens of a response in place of sums.
        gradient_checkpointing: keeps less for the backward pass, and computes it again there.

    Raises:
        ConfigError: the architecture is not one whose scores would be right.
    """

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
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.network = deepcopy(base, {id(value): value for value in base.parameters()}).requires_grad_(False)
        without_dropout(self.network)
        if lora is not None:
            adapt(self.network, peft_config(lora, self.network))
        self._gates = Gates()
        ranks = {} if lora is None else self._gates.attach(self.network)
        if gradient_checkpointing:
            checkpoint_layers(self.network, self._gates.contexts)
        self._share_prompt = share_prompt
        self._length_normalization = length_normalization
        self._window = shortest_window(self.network)
        self._positions = learned_positions(self.network)
        with torch.no_grad():
            starts = embeddings_of(self.network)(ordinary_tokens(tokenizer, self.network)).float()  # [k, hidden]
        drawn = torch.randint(len(starts), (prompt_tokens,), generator=torch.default_generator)  # which the engine has seeded
        self.prompt = nn.Parameter(starts[drawn]) if prompt_tokens else None
        self.spec = ModelSpec(
            tradeoff_size=tradeoff_size,
            hidden_size=starts.shape[1],
            slots=frozenset({"prefix", "gates"} if ranks else {"prefix"}),
            starts=starts,
            ranks=ranks,
            name=type(self.network).__name__,
        )
        check_scores(self.network, share_prompt, lambda inputs, share: self._sums(inputs, None, {}, share)[0])
        self.train()

    def forward(self, inputs: Inputs, injection: Injection) -> Tensor:
        check_layout(inputs["tokens"], inputs["segments"], inputs["items"])
        rows = len(inputs["tokens"])
        return self._scores(inputs, self.prefix(rows, injection), self.gates(rows, injection))

    def reference(self, inputs: Inputs) -> Tensor:
        """`[batch, list]`, the scores of the base model: without prefix, prompt and LoRA, and without gradient."""
        check_layout(inputs["tokens"], inputs["segments"], inputs["items"])
        with torch.no_grad(), self.without_adapters():
            return self.opened(self._scores, inputs, None, {})

    def blocks(self) -> list[nn.Module]:
        return layers_of(self.network)

    def prefix(self, rows: int, injection: Injection) -> Tensor | None:
        """`[rows, p, hidden]` in the dtype of the embeddings: the own prompt, then what is injected; None where p is 0.

        It reads weights: outside of `forward` it is called by `opened`.

        Raises:
            ShapeError: the injected prefix has neither `rows` rows nor one, or another width.
        """
        parts = [] if self.prompt is None else [self.prompt.expand(rows, -1, -1)]
        if injection.prefix is not None:
            found = injection.prefix
            if found.shape[-1] != self.spec.hidden_size or len(found) not in (1, rows):
                wanted = f"[{rows}, p, {self.spec.hidden_size}]"
                raise ShapeError(f"the prefix of a batch of {rows} rows must be {wanted}, got {list(found.shape)}.")
            parts.append(found.expand(rows, -1, -1))
        dtype = embeddings_of(self.network).weight.dtype
        return torch.cat(parts, 1).to(dtype) if parts else None

    def gates(self, rows: int, injection: Injection) -> Mapping[str, Tensor]:
        """`[rows, rank]` by layer, what LoRA is gated by; layers without gates are left out.

        Raises:
            ShapeError: the injection has gates of a layer without LoRA, or of other rows or ranks.
        """
        found = {}
        for layer, gates in injection.gates.items():
            rank = self.spec.ranks.get(layer)
            if rank is None or gates.dim() != 2 or gates.shape[1] != rank or len(gates) not in (1, rows):
                wanted = "none, for it has no LoRA" if rank is None else f"[{rows}, {rank}]"
                raise ShapeError(f"the gates of {layer} for a batch of {rows} rows must be {wanted}, got {list(gates.shape)}.")
            found[layer] = gates.expand(rows, -1)
        return found

    def gated(self, gates: Mapping[str, Tensor]) -> AbstractContextManager[None]:
        """Gates LoRA by `gates`, as the method of that name gives them, within the block."""
        return self._gates.of(gates)

    @contextmanager
    def without_adapters(self) -> Iterator[None]:
        """Switches LoRA off within the block."""
        with adapters_off(self.network):
            yield

    def _scores(self, inputs: Inputs, prefix: Tensor | None, gates: Mapping[str, Tensor]) -> Tensor:
        """`[batch, list]` float32."""
        scores, lengths = self._sums(inputs, prefix, gates, self._share_prompt)
        return scores / lengths.clamp(min=1) if self._length_normalization else scores

    def _sums(self, inputs: Inputs, prefix: Tensor | None, gates: Mapping[str, Tensor], share: bool) -> tuple[Tensor, Tensor]:
        """`[batch, list]` twice: sums of log-probabilities, float32, and of how many tokens; 0 where there is no response."""
        tokens, segments = trimmed(inputs["tokens"], inputs["segments"])
        items = inputs["items"]
        length = segments.shape[1] + (0 if prefix is None else prefix.shape[1])
        if share and items.shape[1] > 1 and (self._window is None or length <= self._window):
            with self._gates.of(gates):
                hidden = self._hidden(tokens, segments, prefix, shared=True)
            found = predictions(segments)
            rows, responses = found.rows, found.responses
        else:
            tokens, segments, row_of, response_of = separated(tokens, segments)
            with self._gates.of({layer: own[row_of] for layer, own in gates.items()}):
                hidden = self._hidden(tokens, segments, None if prefix is None else prefix[row_of], shared=False)
            found = predictions(segments)
            rows, responses = row_of[found.rows], response_of[found.rows]
        weight, bias, scale, softcap = head_of(self.network)
        predicting = hidden[found.rows, found.sources]  # [N, hidden]
        if scale != 1:
            predicting = predicting * scale
        each = token_log_probabilities(predicting, weight, bias, tokens[found.rows, found.places], softcap=softcap)
        slots = rows * items.shape[1] + responses
        scores, lengths = (
            each.new_zeros(items.numel()).index_add(0, slots, one).view_as(items).masked_fill(~items, 0)
            for one in (each, torch.ones_like(each))
        )
        return scores, lengths

    def _hidden(self, tokens: Tensor, segments: Tensor, prefix: Tensor | None, *, shared: bool) -> Tensor:
        """`[batch, time, hidden]`, last hidden states of the tokens; a batch of one response a row needs no mask of its own."""
        embedded: Tensor = embeddings_of(self.network)(tokens)  # [batch, time, hidden]
        ahead = 0 if prefix is None else prefix.shape[1]
        if prefix is not None:
            embedded = torch.cat([prefix, embedded], 1)  # [batch, p + time, hidden]
        places = torch.arange(embedded.shape[1], device=tokens.device).expand(len(tokens), -1)
        mask = None
        if shared:
            places = torch.cat([places[:, :ahead], positions(segments) + ahead], 1)
            mask = additive(attended(segments, ahead), embedded.dtype)
        if self._positions is not None and embedded.shape[1] > self._positions:
            longest = int(places.amax()) + 1
            if longest > self._positions:
                raise ShapeError(
                    f"a row of {longest} tokens, {ahead} of them a prefix, where the model has {self._positions} positions."
                )
        decoder: Any = self.network.get_decoder()
        outputs = decoder(inputs_embeds=embedded, attention_mask=mask, position_ids=places, use_cache=False)
        hidden: Tensor = outputs.last_hidden_state
        return hidden[:, ahead:]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        memo[id(self.tokenizer)] = self.tokenizer  # large, and never changed
        twin.__dict__.update({name: deepcopy(value, memo) for name, value in self.__dict__.items()})
        return twin
