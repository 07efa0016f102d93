"""The language-model task: prompts with labelled responses, a base model, and the adapters that are tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from torch import Generator, Tensor

from moft import ConfigError, DataError
from moft.api import (
    Batches,
    ConfigRequest,
    Context,
    Count,
    Fraction,
    InputCheck,
    Model,
    ModelSpec,
    Nouns,
    Objective,
    PathOrName,
    Reader,
    Trainer,
)
from moft_llm.data.chat.chat_template import VERSION, Template, check_format
from moft_llm.data.chat.control_tokens import ControlTokens
from moft_llm.data.chat.messages import only_text
from moft_llm.data.chat.prompt_time import time_of
from moft_llm.data.chat.template_options import TemplateOptions, with_options
from moft_llm.data.filtering import Faulty, check_scorable, filter_lists
from moft_llm.data.first_prompts import PROMPTS, SAMPLE, first_prompts, is_small, labelled_sample, unseen_data
from moft_llm.data.label_transforms import TextLabel, check_labels, is_by_item
from moft_llm.data.preference_example import LIST_FORMAT, Example
from moft_llm.data.readers.list_readers import Lists
from moft_llm.data.reference_scores import ReferenceCache
from moft_llm.data.splits import SPLITS, OpenedSplits, Shares, Splits, Stored, open_splits
from moft_llm.data.token_dataset import TokenDataset, token_dataset_of
from moft_llm.data.tokenization import TokenizedLists, check_lengths, check_truncation, tokenize
from moft_llm.loading.model_loading import Precision, Quantization
from moft_llm.network.architecture import check_embedded, learned_positions, widest_head
from moft_llm.network.attention.attention_windows import shortest_window
from moft_llm.network.base_model import BaseModel, context_length
from moft_llm.network.language_model import MAX_SHARED, LanguageModel
from moft_llm.network.lora import LoRA, adapted_ranks
from moft_llm.starting_config import starting_config

DEFAULT_MAX_LENGTH = 1024
"""Tokens of a prompt and a response where the config names no limit and the model's context is longer."""

_MIN_LENGTH = 2  # tokens of a row: one of the prompt, one of a response


class LLM:
    """Alignment of a causal language model on prompts whose responses are labelled for several objectives.

    Args:
        model: folder of a Hugging Face model, or its name on the hub.
        data: prompts with their responses and labels, and how they are read.
        objectives: by name, the labels to tune for.
        splits: `shares` divides prompts into train, validation and test; `stored` takes the splits that the data has.
        faulty: `refuse` raises at empty and repeated responses and at prompts with fewer than two; `drop` leaves them out.
        gguf: a GGUF file within `model`.
        dtype: of the base model's weights.
        quantization: `4bit` holds the base model in 4 bits, through bitsandbytes.
        lora: the adapters to tune; null for none, so that only a prefix is trained.
        prompt_tokens: trained tokens before every prompt, the same for all tradeoffs (prompt tuning); the baseline for `hpt`.
        template: `chat` for the tokenizer's chat template, `none`, or a format with {prompt}.
        chat_template_kwargs: values for variables of the chat template, such as `enable_thinking: false`; null for none.
        max_length: the most tokens of a prompt with a response; a longer prompt keeps its end. Null is the model's context, at
            most 1024.
        max_response: the most tokens of a response; null is what the prompt leaves, but at least half of max_length.
        control_tokens: `split` reads control tokens of the tokenizer in prompts and responses, such as `</s>`, as text; `keep`
            as control tokens.
        max_truncated: the share of all prompts, and of all responses, that may be cut.
        add_eos: ends every whole response in the token that ends a turn in the chat template, else in the tokenizer's
            end-of-sequence token.
        tokens_per_batch: tokens of a batch, padding included; more make larger and fewer steps.
        share_prompt: encodes a prompt once for all its responses; false gives the same scores, for more work.
        length_normalization: scores are means over the tokens of a response instead of sums.
        gradient_checkpointing: needs less memory, and about a third more time.
        compile: compiles the parts of each layer with `torch.compile`: a minute or two at the start, then faster steps in less
            memory, especially on a GPU.
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
        prompt_tokens: Annotated[int, Ge(0), Le(16_384)] = 0,
        template: str = "none",
        chat_template_kwargs: TemplateOptions | None = None,
        max_length: Count | None = None,
        max_response: Count | None = None,
        control_tokens: ControlTokens = "split",
        max_truncated: Fraction = 0.75,
        add_eos: bool = True,
        tokens_per_batch: Count = 4096,
        share_prompt: bool = True,
        length_normalization: bool = False,
        gradient_checkpointing: bool = False,
        compile: bool = False,
    ) -> None:
        if quantization == "4bit" and context.process_group.is_sharding:
            raise ConfigError(
                "[task.quantization] 4bit weights cannot be sharded. Set trainer.sharding: none or task.quantization: none."
            )
        if not objectives:
            raise ConfigError("[task.objectives] is empty; give at least one objective, such as helpful: {}.")
        check_format(template)
        if chat_template_kwargs and template != "chat":
            raise ConfigError("[task.chat_template_kwargs] has no effect without a chat template. Set task.template: chat.")
        self._template_options = chat_template_kwargs or {}
        if max_length is not None:
            check_lengths(max_length, max_response)
        self._context, self._data, self._labels = context, data, objectives
        self._splits, self._faulty = splits, faulty
        self._least = 1 if any(is_by_item(label.loss) for label in objectives.values()) else 2  # responses of a prompt
        self._base = BaseModel(
            model,
            gguf=gguf,
            dtype=dtype,
            quantization=quantization,
            device=context.device,
            cache=context.cache,
            stays_on_cpu=context.process_group.is_sharding,
        )
        self._lora, self._prompt_tokens = lora, prompt_tokens
        self._template, self._max_length, self._max_response, self._add_eos = template, max_length, max_response, add_eos
        self._control_tokens, self._max_truncated, self._text_version = control_tokens, max_truncated, VERSION
        self._budget, self._share_prompt = tokens_per_batch, share_prompt
        self._is_normalized, self._is_checkpointing, self._is_compiled = length_normalization, gradient_checkpointing, compile
        self._now: datetime | None = None
        self._opened: OpenedSplits | None = None
        self._prompt_template: Template | None = None
        self._tokens: dict[str, TokenizedLists] = {}
        self._datasets: dict[str, TokenDataset] = {}
        self.objectives = tuple(
            Objective(name, label.beta, loss=label.loss, label=label.description(name)) for name, label in objectives.items()
        )
        self.main: Objective | None = None

    @classmethod
    def starting_config(cls, request: ConfigRequest) -> str:
        return starting_config(request)

    def check_inputs(self) -> InputCheck:
        examples, train, unchecked = self._first_examples()
        tokens, of_model = self.tokens_of(examples[:PROMPTS])
        if tokens is not None:
            if unchecked or len(examples) > PROMPTS:
                unchecked = (*unchecked, f"how many prompts and responses beyond the first {PROMPTS:,} prompts are too long.")
            else:
                check_truncation([tokens.counts], self._max_truncated)
        return InputCheck((*unchecked, *of_model), labelled_sample(train[:SAMPLE], self._labels) if train else None)

    def opened(self) -> OpenedSplits:
        """The prompts of every split.

        Raises:
            DataError: the data is malformed, leaves a split empty, or has no preferences for an objective.
        """
        opened = self._open()
        check_labels(opened.examples["train"], self._labels)
        return opened

    def tokens_of(self, examples: Sequence[Example]) -> tuple[TokenizedLists | None, tuple[str, ...]]:
        """Prompts as tokens, without the weights of the model; None if the hub has the tokenizer. And what was not looked at."""
        outline, tokenizer, unchecked = self._base.without_weights()
        self._longest(outline)
        if tokenizer is None or not examples:
            return None, unchecked
        template = Template(with_options(tokenizer, self._template_options), self._template, self._control_tokens)
        return self._tokenize(examples, template, outline), unchecked

    def _first_examples(self) -> tuple[Sequence[Example], Sequence[Example], tuple[str, ...]]:
        """What a look at the data gives: prompts of all splits, those to train on, and what was not looked at."""
        if unseen := unseen_data(self._data):
            return (), (), (unseen,)
        if is_small(self._data):
            train = self._open().examples["train"]
            check_labels(train, self._labels)
            return [example for split in SPLITS for example in self._open().examples[split]], train, ()
        splits = list(self._splits.stored.values()) if isinstance(self._splits, Stored) else (None,)
        first = [filter_lists(first_prompts(self._data, split), self._faulty, least=self._least).examples for split in splits]
        left = f"the data beyond the first {PROMPTS:,} prompts of each file, and whether every split has some."
        return [example for part in first for example in part], first[0], (left,)

    def prepare(self, trainer: Trainer) -> None:
        if self.source["quantization"] == "4bit" and self._context.device.type == "cpu":  # bitsandbytes has no gradients there
            raise ConfigError("[task.quantization] 4bit weights can only be tuned on a GPU. Set task.quantization: none.")
        opened = self._open()
        check_labels(opened.examples["train"], self._labels)
        base = self._base.load()  # its errors come before notes
        for note in (*base.notes, *opened.notes):
            trainer.note(note)
        if (fault := self.prompt_template().turn_end.fault) is not None:
            trainer.note(
                f"responses end in EOS, because the tokenizer's chat template shows no end of a turn: {fault.in_words()}."
            )
        if self.prompt_template().asks_time:  # a resumed run goes on with the time of its start
            self._now, self._prompt_template = time_of(trainer.once("prompt-time", _now)), None
        check_truncation([self._tokenized(split).counts for split in SPLITS], self._max_truncated)
        for split in SPLITS:
            for note in self._tokenized(split).notes(split):
                trainer.note(note)
        is_16_bit = trainer.precision == "bf16"
        self._datasets["train"] = self._with_reference(self._tokenized("train"), trainer if is_16_bit else None)

    def state(self) -> Mapping[str, Tensor]:
        end = self.prompt_template().end
        return {
            "base": torch.frombuffer(bytearray.fromhex(self._base.hash), dtype=torch.uint8),
            "text_version": torch.tensor([self._text_version]),
            "end_token": torch.tensor([-1 if end is None else end]),
            **({} if self._now is None else {"now": torch.tensor(self._now.timetuple()[:6])}),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        if "base" not in state:
            raise DataError("the saved state lacks 'base', so it is not of the language-model task.")
        if bytes(state["base"].tolist()).hex() != self._base.hash:
            raise DataError(
                f"{self._base.name}: not the base model of this run; weights, config or tokenizer have changed since training."
            )
        self._text_version = int(state["text_version"]) if "text_version" in state else 1
        self._now, self._prompt_template = time_of(state) if "now" in state else None, None
        if self._text_version > VERSION:
            raise DataError("the saved state is of a newer version of moft; update moft to open it.")
        end = self.prompt_template().end
        if "end_token" in state and int(state["end_token"]) != (-1 if end is None else end):
            raise DataError("responses of this run ended in another token than now; open it with the moft that trained it.")
        self._opened, self._datasets, self._tokens = None, {}, {}

    def model(self, tradeoff_size: int) -> Model:
        return self._build(tradeoff_size, self._lora, self._prompt_tokens, is_compiled=self._is_compiled)

    def model_spec(self, tradeoff_size: int) -> ModelSpec:
        outline: Any = self._base.outline()
        widest_head(outline)  # raises before LoRA asks for the names of layers
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
            raise ConfigError(f"split {split!r} does not exist; the splits are {', '.join(SPLITS)}.")
        if split not in self._datasets:
            self._datasets[split] = self._with_reference(self._tokenized(split))
        return self._datasets[split].batches(self._budget, generator)

    def read(self, path: Path) -> Batches:
        try:
            examples = check_scorable(Lists(str(path)).examples())
        except DataError as error:  # of a file that may belong to another task
            form = "" if LIST_FORMAT in str(error) else f" A run of a language model scores rows of {LIST_FORMAT}."
            raise DataError(f"{error}{form}") from error
        if not examples:
            raise DataError(f"{path}: the file has no prompts.")
        return self._with_reference(self._tokenize(examples, self.prompt_template(), self._base.network)).batches(self._budget)

    def example_prompts(self, count: int) -> Sequence[str]:
        texts = (only_text(example.prompt) for example in self._open().examples["validation"])
        return [text for text in texts if text is not None][:count]

    def identity(self) -> Mapping[str, Any]:
        splits = {}
        for split in SPLITS:
            data = self._tokenized(split)
            splits[split] = {"lists": data.counts.lists, "items": data.counts.items, "sha256": data.sha256}
        objectives = {objective.name: {"label": objective.label} for objective in self.objectives}
        return {"splits": splits, "objectives": objectives, "base": self._base.hash, "template": self._template}

    @property
    def source(self) -> Mapping[str, str | None]:
        """Where the base model is from: `model`, `gguf`, `dtype` and `quantization`, as in the config."""
        return self._base.source

    @property
    def base_changes(self) -> tuple[str, ...]:
        """How the base model differs from what transformers loads from its place, in clauses; none where it does not."""
        return self._base.load().changes

    def prompt_template(self) -> Template:
        """The template of prompts, with the model's tokenizer."""
        if self._prompt_template is None:
            tokenizer, version = with_options(self._base.tokenizer, self._template_options), self._text_version
            self._prompt_template = Template(tokenizer, self._template, self._control_tokens, version, self._now)
        return self._prompt_template

    def _open(self) -> OpenedSplits:
        if self._opened is None:
            self._opened = open_splits(self._data, self._splits, self._faulty, is_whole=self._text_version > 1, least=self._least)
        return self._opened

    def _build(self, tradeoff_size: int, lora: LoRA | None, prompt_tokens: int, *, is_compiled: bool) -> LanguageModel:
        base = self._base.network
        model = LanguageModel(
            base,
            self._base.tokenizer,
            tradeoff_size=tradeoff_size,
            lora=lora,
            prompt_tokens=prompt_tokens,
            share_prompt=self._share_prompt,
            length_normalization=self._is_normalized,
            gradient_checkpointing=self._is_checkpointing,
            is_compiled=is_compiled,
        )
        model.turn_end = self.prompt_template().end
        longest = max((data.longest for data in self._tokens.values()), default=_MIN_LENGTH)
        row = _MIN_LENGTH if learned_positions(base) is None else longest  # computed positions go beyond the context
        model.spec = replace(model.spec, max_prefix=self._max_prefix(base.config, prompt_tokens, row))
        return self._context.placed(model)

    def _max_prefix(self, config: Any, prompt_tokens: int, row: int = _MIN_LENGTH) -> int | None:
        """The most tokens of a prefix beside the longest row and the model's own prompt; None where the context is unlimited."""
        context = context_length(config)
        return None if context is None else max(0, context - prompt_tokens - (self._max_length or row))

    def _tokenized(self, split: str) -> TokenizedLists:
        if split not in self._tokens:
            self._tokens[split] = self._tokenize(self._open().examples[split], self.prompt_template(), self._base.network)
        return self._tokens[split]

    def _tokenize(self, examples: Sequence[Example], template: Template, network: Any) -> TokenizedLists:
        data = tokenize(
            examples,
            template.tokenizer,
            template=template,
            max_length=self._longest(network),
            max_response=self._max_response,
            add_eos=self._add_eos,
            objectives=self._labels,
        )
        highest = int(data.tokens.argmax())  # the place of the token with the highest number
        where = data.where[int((data.lengths.cumsum(0) <= highest).sum())]
        check_embedded(data.tokens[highest : highest + 1], template.tokenizer, network, [where])
        return data

    def _longest(self, network: Any) -> int:
        """The most tokens of a prompt with a response, for a model of this architecture."""
        context, own = context_length(network.config) or DEFAULT_MAX_LENGTH, self._prompt_tokens
        if context - own < 2:
            raise ConfigError(
                f"[task.prompt_tokens] {own} tokens leave none for a prompt and a response in the context of {self._base.name}: "
                f"{context} tokens."
            )
        longest = min(context - own, DEFAULT_MAX_LENGTH) if self._max_length is None else self._max_length
        if longest > (context if learned_positions(network) is None else context - own):
            less = f" minus {own} of task.prompt_tokens" if own else ""
            raise ConfigError(
                f"[task.max_length] {longest} is longer than the context of {self._base.name}: {context} tokens{less}."
            )
        return longest

    def _with_reference(self, data: TokenizedLists, trainer: Trainer | None = None) -> TokenDataset:
        """Lists with their reference scores, computed in the precision of `trainer`, or in that of the weights."""
        base = self._base.network
        window = shortest_window(base)
        shared = MAX_SHARED if window is None else min(MAX_SHARED, max(0, window - self._prompt_tokens))
        dataset = token_dataset_of(data, self._context.device, shared if self._share_prompt else 0)
        cache = ReferenceCache(self._context.cache / "reference", self._base.hash, self._context.process_group)
        precision = "plain" if trainer is None else trainer.precision
        weights = str(base.dtype).removeprefix("torch.")
        kind = f"{precision} {weights} {'mean' if self._is_normalized else 'sum'} {self._context.device.type}"
        autocast = None if trainer is None else trainer.autocast()
        cache.fill(dataset, self._reference_model, tokens=data.tokens_sha256, kind=kind, budget=self._budget, precision=autocast)
        return dataset

    def _reference_model(self) -> LanguageModel:
        with torch.random.fork_rng():
            return self._build(0, None, 0, is_compiled=False).eval()


def _now() -> Mapping[str, Tensor]:
    return {"now": torch.tensor(datetime.now().timetuple()[:6])}
