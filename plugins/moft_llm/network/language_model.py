"""A causal language model with LoRA and a prefix per row, which scores responses by their log-probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from moft import ConfigError, ShapeError
from moft.api import Injection, Inputs, Model, ModelSpec
from moft_llm.network import packed_attention
from moft_llm.network.architecture import (
    checkpoint_layers,
    embeddings_of,
    head_of,
    layers_of,
    learned_positions,
    ordinary_tokens,
    shortest_window,
    widest_head,
    without_dropout,
)
from moft_llm.network.attention_mask import check_layout, predictions, separated, trimmed
from moft_llm.network.forward_pass import packed_pass, padded_pass
from moft_llm.network.lm_head import token_log_probabilities
from moft_llm.network.lora import Gates, LoRA, adapt, adapters_off, peft_config
from moft_llm.network.self_check import check_scores, generation_fault, trial_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_VARIANTS = 32  # of a compiled part: with and without gradients, adapters, gates, checkpoints


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
        is_compiled: compiles the parts of each layer, and the head's softmax, by `torch.compile`.

    Raises:
        ConfigError: the architecture is not one whose scores would be right, or has prompt tokens but cannot generate from them.
    """

    generation_fault: str | None
    """Why no text can be generated, in a sentence, and hence no prefix is taken; None where it can."""

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
        self.tokenizer = tokenizer
        self.network = deepcopy(base, {id(value): value for value in base.parameters()}).requires_grad_(False)
        without_dropout(self.network)
        trial = trial_of(self.network.eval())
        fault = generation_fault(self.network)
        self.generation_fault = fault and f"{trial.name} cannot generate from embeddings ({fault})."
        if self.generation_fault and prompt_tokens:
            raise ConfigError(f"prompt_tokens: {self.generation_fault} Set prompt_tokens: 0.")
        may_pack = packed_attention.install(self.network)
        if lora is not None:
            adapt(self.network, peft_config(lora, self.network))
        self._gates = Gates()
        ranks = {} if lora is None else self._gates.attach(self.network)
        if gradient_checkpointing:
            checkpoint_layers(self.network, self._gates.contexts)
        self._share_prompt, self._is_packable, self._is_compiled = share_prompt, False, False
        self._length_normalization = length_normalization
        self._window = shortest_window(self.network)
        self._positions, self._head = learned_positions(self.network), widest_head(self.network)
        with torch.no_grad():
            starts = embeddings_of(self.network)(ordinary_tokens(tokenizer, self.network)).float()  # [k, hidden]
        drawn = torch.randint(len(starts), (prompt_tokens,), generator=torch.default_generator)  # which the engine has seeded
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
        self._compile()
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

    def uncompiled(self) -> AbstractContextManager[None]:
        """Runs what was compiled as it was written within the block: caches of keys would have every layer compiled anew."""
        return torch.compiler.set_stance("force_eager") if self._is_compiled else nullcontext()

    def _scores(self, inputs: Inputs, prefix: Tensor | None, gates: Mapping[str, Tensor]) -> Tensor:
        """`[batch, list]` float32."""
        scores, lengths = self._sums(inputs, prefix, gates, self._share_prompt, self._packs())
        return scores / lengths.clamp(min=1) if self._length_normalization else scores

    def _sums(
        self, inputs: Inputs, prefix: Tensor | None, gates: Mapping[str, Tensor], share: bool, pack: bool
    ) -> tuple[Tensor, Tensor]:
        """`[batch, list]` twice: sums of log-probabilities, float32, and of how many tokens; 0 where there is no response."""
        tokens, segments = trimmed(inputs["tokens"], inputs["segments"])
        items = inputs["items"]
        shared = share and items.shape[1] > 1 and self._fits(segments, prefix)
        owners: list[Tensor] = []
        if not shared:
            tokens, segments, row_of, response_of = separated(tokens, segments)
            owners = [row_of, response_of]
            prefix = None if prefix is None else prefix[row_of]
            gates = {layer: own[row_of] for layer, own in gates.items()}
        found = predictions(segments)
        forward = packed_pass if pack and self._fits(segments, prefix) else padded_pass
        predicting = forward(
            self.network, tokens, segments, found, prefix, self._gates, gates, shared=shared, most=self._positions
        )  # [N, hidden]
        rows, responses = [owner[found.rows] for owner in owners] or (found.rows, found.responses)
        weight, bias, scale, softcap = head_of(self.network)
        if scale != 1:
            predicting = predicting * scale
        each = token_log_probabilities(
            predicting, weight, bias, tokens[found.rows, found.places], softcap=softcap, is_compiled=self._is_compiled
        )
        slots = rows * items.shape[1] + responses
        scores, lengths = (
            each.new_zeros(items.numel()).index_add(0, slots, one).view_as(items).masked_fill(~items, 0)
            for one in (each, torch.ones_like(each))
        )
        return scores, lengths

    def _fits(self, segments: Tensor, prefix: Tensor | None) -> bool:
        """True when no row is longer than the attention window."""
        return self._window is None or segments.shape[1] + (0 if prefix is None else prefix.shape[1]) <= self._window

    def _packs(self) -> bool:
        """True when packed sequences are faster than padded rows here, and the network can."""
        weight = embeddings_of(self.network).weight
        kind = weight.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        return self._is_packable and packed_attention.can_attend_packed(weight.device, dtype, self._head)

    def _compile(self) -> None:
        """Compiles the parts of each layer, not layers: what goes on between them, checkpointing most of all, stays as it is."""
        if self._is_compiled:
            limits: Any = torch._dynamo.config
            limits.recompile_limit = max(limits.recompile_limit, _VARIANTS)
            limits.force_nn_module_property_static_shapes = False  # gates are no parameters: each batch has others
            for layer in layers_of(self.network):
                for part in layer.children():
                    part.compile(dynamic=True)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        memo[id(self.tokenizer)] = self.tokenizer  # large, and never changed
        twin.__dict__.update({name: deepcopy(value, memo) for name, value in self.__dict__.items()})
        twin._compile()
        return twin
