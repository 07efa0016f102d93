"""The language-model task: prompts with labelled responses, a base model to start from, adapters to tune."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from moft import ConfigError, DataError
from moft.api import (
    Batches,
    ConfigRequest,
    Context,
    Count,
    Model,
    ModelSpec,
    NonNegativeCount,
    Nouns,
    Objective,
    PathOrName,
    Trainer,
)
from moft_llm.data.chat_template import Template, check_format
from moft_llm.data.example import Example
from moft_llm.data.filtering import Faulty, scorable
from moft_llm.data.label_transforms import TextLabel, check_labels
from moft_llm.data.list_readers import Lists, Reader
from moft_llm.data.reference_scores import ReferenceCache
from moft_llm.data.splits import SPLITS, OpenedSplits, Shares, Splits, open_splits
from moft_llm.data.token_dataset import TextStore, text_store
from moft_llm.data.tokenization import Tokenised, check_lengths, tokenised
from moft_llm.loading.model_loading import Precision, Quantization, content_hash, load_model, model_outline
from moft_llm.network.architecture import learned_positions, shortest_window
from moft_llm.network.language_model import LanguageModel
from moft_llm.network.lora import LoRA, adapted_ranks
from moft_llm.starting_config import starting_config

LONGEST = 1024
"""Tokens of a prompt and a response where the config names no limit, and the model's context is longer."""

_LEAST = 2  # tokens of a row: of the prompt and of a response


class LLM:
    """Alignment of a causal language model on lists of responses that are labelled by several objectives.

    Args:
        model: folder of a Hugging Face model, or its name on the hub.
        data: lists of responses, and how they are read.
        objectives: by name, the labels that are tuned for.
        splits: `shares` deals prompts into train, validation and test; `stored` takes the splits that the data has.
        faulty: `refuse` empty and repeated responses and lists of one, or `drop` them.
        gguf: a GGUF file within `model`.
        dtype: of the base model's weights.
        quantization: `4bit` holds the base model in 4 bits, through bitsandbytes.
        lora: the adapters that are tuned; null for none, where a prefix alone is.
        prompt_tokens: trained tokens before every prompt, the same for all tradeoffs; what `hpt` is compared with.
        template: `chat` for the tokenizer's chat template, `none`, or a format with {prompt}.
        max_length: the most tokens of a prompt with a response; prompts keep their end. Null is the context, at most 1024.
        max_response: the most tokens of a response; null is what the prompt leaves, half of max_length at least.
        add_eos: ends every whole response in the tokenizer's end-of-sequence token.
        tokens_per_batch: tokens of a batch, padding included; more make larger and fewer steps.
        share_prompt: encodes the prompt of a list once for all its responses; false gives the same scores, for more work.
        length_normalization: scores are means over the tokens of a response in place of sums.
        gradient_checkpointing: less memory, for about a third more time.
        compile: compiles the parts of each layer by `torch.compile`: a minute or two at the start, then faster steps in less
            memory, above all on a GPU.
    """

    nouns = Nouns("prompt", "response")

    def __init__(
        self,
        context: Context,
        *,
        model: PathOrName,
        data: Reader,
        objectives: dict[str, TextLabel],
        splits: Splits = Shares(),  # noqa: B008 - a frozen record
        faulty: Faulty = "refuse",
        gguf: str | None = None,
        dtype: Precision = "auto",
        quantization: Quantization = "none",
        lora: LoRA | None = LoRA(),  # noqa: B008 - a frozen record
        prompt_tokens: NonNegativeCount = 0,
        template: str = "none",
        max_length: Count | None = None,
        max_response: Count | None = None,
        add_eos: bool = True,
        tokens_per_batch: Count = 4096,
        share_prompt: bool = True,
        length_normalization: bool = False,
        gradient_checkpointing: bool = False,
        compile: bool = False,
    ) -> None:
        if quantization == "4bit" and context.process_group.is_sharding:
            raise ConfigError(
                "[task.quantization] 4bit weights cannot be sharded; set trainer.sharding: none, or quantization: none."
            )
        if not objectives:
            raise ConfigError("[task.objectives] names no objective; give at least one, such as helpful: {}.")
        check_format(template)
        if max_length is not None:
            check_lengths(max_length, max_response)
        self._context, self._name, self._data, self._labels = context, model, data, objectives
        self._splits, self._faulty = splits, faulty
        self._load = {"gguf": gguf, "dtype": dtype, "quantization": quantization}
        self._lora, self._prompt_tokens = lora, prompt_tokens
        self._template, self._max_length, self._max_response, self._add_eos = template, max_length, max_response, add_eos
        self._budget, self._share_prompt = tokens_per_batch, share_prompt
        self._is_normalized, self._is_checkpointing, self._is_compiled = length_normalization, gradient_checkpointing, compile
        self._base: Any = None
        self._tokenizer: Any = None
        self._hash = ""
        self._opened: OpenedSplits | None = None
        self._tokens: dict[str, Tokenised] = {}
        self._stores: dict[str, TextStore] = {}
        self.objectives = tuple(
            Objective(name, label.beta, loss=label.loss, label=label.words(name)) for name, label in objectives.items()
        )
        self.main: Objective | None = None

    @classmethod
    def starting_config(cls, request: ConfigRequest) -> str:
        return starting_config(request)

    def prepare(self, trainer: Trainer) -> None:
        if self._load["quantization"] == "4bit" and self._context.device.type == "cpu":  # bitsandbytes has no gradients there
            raise ConfigError("[task.quantization] 4bit weights can be tuned on a GPU only, and this is a CPU; set it to none.")
        examples = self._examples()
        check_labels(examples["train"], self._labels)
        self._know_base()
        for note in self._lists().notes:
            trainer.note(note)
        for split in SPLITS:
            for note in self._tokenised(split).notes(split):
                trainer.note(note)
        is_16_bit = trainer.precision == "bf16"
        self._stores["train"] = self._filled(self._tokenised("train"), trainer if is_16_bit else None)

    def state(self) -> Mapping[str, Tensor]:
        self._know_base()
        return {"base": torch.frombuffer(bytearray.fromhex(self._hash), dtype=torch.uint8)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        if "base" not in state:
            raise DataError("the saved state of the language-model task lacks 'base'; it is another task's.")
        self._know_base()
        if bytes(state["base"].tolist()).hex() != self._hash:
            raise DataError(f"{self._name}: is not the model that was tuned: weights, config or tokenizer have changed since.")
        self._stores = {}

    def model(self, tradeoff_size: int) -> Model:
        return self._built(tradeoff_size, self._lora, self._prompt_tokens, is_compiled=self._is_compiled)

    def model_spec(self, tradeoff_size: int) -> ModelSpec:
        outline = self._base
        if outline is None:
            outline = model_outline(self._name, gguf=self._load["gguf"], cache=self._context.cache)
        ranks = {} if self._lora is None else adapted_ranks(self._lora, outline)
        return ModelSpec(
            tradeoff_size=tradeoff_size,
            hidden_size=outline.get_input_embeddings().embedding_dim,
            slots=frozenset({"prefix", "gates"} if ranks else {"prefix"}),
            ranks=ranks,
            max_prefix=self._max_prefix(outline.config, self._prompt_tokens),
            name=type(outline).__name__,
        )

    def batches(self, split: str, generator: Generator | None = None) -> Batches:
        if split not in SPLITS:
            raise ConfigError(f"split {split!r} is unknown; splits are {', '.join(SPLITS)}.")
        if split not in self._stores:
            self._stores[split] = self._filled(self._tokenised(split))
        return self._stores[split].batches(self._budget, generator)

    def read(self, path: Path) -> Batches:
        found = scorable(Lists(str(path)).examples())
        if not found:
            raise DataError(f"{path}: holds no list.")
        return self._filled(self._as_tokens(found)).batches(self._budget)

    def identity(self) -> Mapping[str, Any]:
        self._know_base()
        splits = {}
        for split in SPLITS:
            data = self._tokenised(split)
            splits[split] = {"lists": data.counts.lists, "items": data.counts.items, "sha256": data.sha256}
        objectives = {objective.name: {"label": objective.label} for objective in self.objectives}
        return {"splits": splits, "objectives": objectives, "base": self._hash, "template": self._template}

    @property
    def source(self) -> Mapping[str, str | None]:
        """Where the base model is from: `model`, `gguf`, `dtype` and `quantization`, as the config has them."""
        return {"model": self._name, **self._load}

    def prompting(self) -> Template:
        """How prompts are put to the model, with its tokenizer."""
        self._know_base()
        return Template(self._tokenizer, self._template)

    def _lists(self) -> OpenedSplits:
        if self._opened is None:
            self._opened = open_splits(self._data, self._splits, self._faulty)
        return self._opened

    def _examples(self) -> Mapping[str, Sequence[Example]]:
        return self._lists().examples

    def _know_base(self) -> None:
        """Loads the base model, once."""
        if self._base is None:
            context = self._context
            place = {"device": context.device, "cache": context.cache, "stays_on_cpu": context.process_group.is_sharding}
            base, tokenizer = load_model(self._name, **place, **self._load)  # type: ignore[arg-type]
            self._base, self._tokenizer = base, tokenizer
            self._hash = content_hash(base, tokenizer)

    def _built(self, tradeoff_size: int, lora: LoRA | None, prompt_tokens: int, *, is_compiled: bool) -> LanguageModel:
        self._know_base()
        model = LanguageModel(
            self._base,
            self._tokenizer,
            tradeoff_size=tradeoff_size,
            lora=lora,
            prompt_tokens=prompt_tokens,
            share_prompt=self._share_prompt,
            length_normalization=self._is_normalized,
            gradient_checkpointing=self._is_checkpointing,
            is_compiled=is_compiled,
        )
        longest = max((data.longest for data in self._tokens.values()), default=_LEAST)
        least = _LEAST if learned_positions(self._base) is None else longest  # others have positions beyond their context
        model.spec = replace(model.spec, max_prefix=self._max_prefix(self._base.config, prompt_tokens, least))
        return self._context.placed(model)

    def _max_prefix(self, config: Any, prompt_tokens: int, least: int = _LEAST) -> int | None:
        """The most tokens of a prefix beside the longest row and the model's own prompt; None where the context is endless."""
        context = getattr(config, "max_position_embeddings", None)
        return None if context is None else max(0, context - prompt_tokens - (self._max_length or least))

    def _tokenised(self, split: str) -> Tokenised:
        if split not in self._tokens:
            self._tokens[split] = self._as_tokens(self._examples()[split])
        return self._tokens[split]

    def _as_tokens(self, examples: Sequence[Example]) -> Tokenised:
        self._know_base()
        context = getattr(self._base.config, "max_position_embeddings", None) or LONGEST
        own = self._prompt_tokens
        longest = min(context - own, LONGEST) if self._max_length is None else self._max_length
        if longest > (context if learned_positions(self._base) is None else context - own):
            less = f" less {own} of task.prompt_tokens" if own else ""
            raise ConfigError(f"[task.max_length] {longest} is longer than the context of {self._name}, {context} tokens{less}.")
        return tokenised(
            examples,
            self._tokenizer,
            template=self._template,
            max_length=longest,
            max_response=self._max_response,
            add_eos=self._add_eos,
            objectives=self._labels,
        )

    def _filled(self, data: Tokenised, trainer: Trainer | None = None) -> TextStore:
        """The store of some lists with their reference scores, computed as `trainer` trains, or in the weights' own precision."""
        window = shortest_window(self._base)
        whole = None if window is None else max(0, window - self._prompt_tokens)
        store = text_store(data, self._context.device, whole if self._share_prompt else 0)
        cache = ReferenceCache(self._context.cache / "reference", self._hash, self._context.process_group)
        precision = "plain" if trainer is None else trainer.precision
        held = str(self._base.dtype).removeprefix("torch.")
        kind = f"{precision} {held} {'mean' if self._is_normalized else 'sum'} {self._context.device.type}"
        around = None if trainer is None else trainer.autocast()
        cache.fill(store, self._reference, tokens=data.tokens_sha256, kind=kind, budget=self._budget, precision=around)
        return store

    def _reference(self) -> LanguageModel:
        with torch.random.fork_rng():
            return self._built(0, None, 0, is_compiled=False).eval()
