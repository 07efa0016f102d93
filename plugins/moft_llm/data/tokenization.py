"""Lists as tokens: prompts and responses within the length that the model is given, labels beside them, and what was cut."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moft import ConfigError, DataError
from moft_llm.data.chat_template import Template
from moft_llm.data.example import Example, last_words
from moft_llm.data.label_transforms import TextLabel, label_columns
from moft_llm.data.truncation import Cutter


@dataclass(frozen=True)
class Counts:
    """What there is, and what was cut.

    Args:
        lists: how many.
        items: responses of all lists.
        tokens: of all lists, their prompts once.
        cut_prompts: lists whose prompt lost its beginning.
        cut_responses: responses that lost their end.
        alike: lists in which two responses have the same tokens, for the most part because both were cut.
        labelled: by objective, lists that say that one response is better than another.
    """

    lists: int
    items: int
    tokens: int
    cut_prompts: int
    cut_responses: int
    alike: int
    labelled: Mapping[str, int]


@dataclass(frozen=True)
class PromptView:
    """A prompt that stands in one or several lists.

    Args:
        text: as the model reads it, before anything was cut.
        tokens: of the prompt.
        lists: which lists it stands in.
    """

    text: str
    tokens: tuple[int, ...]
    lists: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Tokenised:
    """The lists of a split, on the CPU.

    Args:
        tokens: `[tokens]` int32; list after list: the prompt, then its responses.
        prompt_lengths: `[lists]` int64, tokens of each prompt, at least one.
        sizes: `[lists]` int64, responses of each list.
        response_lengths: `[items]` int64, tokens of each response, at least one.
        labels: `[items, m]` float32, transformed, in the order of the objectives.
        mask: `[items, m]` bool, True where a response is judged and its list says that one is better than another.
        texts: the rendered prompt of each list.
        asked: the prompt of each list as scorers read it.
        lead: what stands before every response.
        where: the file and line of each list.
        counts: for reports.
    """

    tokens: Tensor
    prompt_lengths: Tensor
    sizes: Tensor
    response_lengths: Tensor
    labels: Tensor
    mask: Tensor
    texts: tuple[str, ...]
    asked: tuple[str, ...]
    lead: str
    where: tuple[str, ...]
    counts: Counts

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def lengths(self) -> Tensor:
        """`[lists]` int64, tokens of each list: the prompt and all responses."""
        owner = torch.repeat_interleave(torch.arange(len(self)), self.sizes)
        return self.prompt_lengths.index_add(0, owner, self.response_lengths)

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt with one of its responses."""
        return int((torch.repeat_interleave(self.prompt_lengths, self.sizes) + self.response_lengths).max())

    @property
    def tokens_sha256(self) -> str:
        """Hash of what reference scores depend on: tokens, and where prompts and responses begin."""
        return _digest(self.tokens, self.prompt_lengths, self.sizes, self.response_lengths)

    @property
    def sha256(self) -> str:
        """Hash of tokens, labels and mask."""
        return _digest(
            self.tokens, self.prompt_lengths, self.sizes, self.response_lengths, self.labels, self.mask.to(torch.uint8)
        )

    def prompts(self) -> list[PromptView]:
        """Every prompt once, in order; where it was cut in one list more than in another, as it stands where it is longest."""
        starts = self.lengths.cumsum(0) - self.lengths
        lists: dict[str, list[int]] = {}
        for index, text in enumerate(self.texts):
            lists.setdefault(text, []).append(index)
        found = []
        for text, places in lists.items():
            longest = max(places, key=lambda index: int(self.prompt_lengths[index]))
            start = int(starts[longest])
            tokens = self.tokens[start : start + int(self.prompt_lengths[longest])]
            found.append(PromptView(text, tuple(tokens.tolist()), tuple(places)))
        return found

    def notes(self, split: str) -> tuple[str, ...]:
        """What a reader of results should know of a split, in sentences."""
        counts = self.counts
        said = (
            (counts.cut_prompts, f"of {counts.lists} prompts were too long and lost their beginning"),
            (counts.cut_responses, f"of {counts.items} responses were too long and lost their end"),
            (counts.alike, f"of {counts.lists} lists have responses with the same tokens, which no score can tell apart"),
        )
        return tuple(f"{split}: {count} {words}." for count, words in said if count)


def check_lengths(max_length: int, max_response: int | None) -> None:
    """Nothing, when there is room for a prompt beside the longest response.

    Raises:
        ConfigError: there is none.
    """
    if max_length < 2:
        raise ConfigError(f"[task.max_length] {max_length} must be at least 2: a prompt and a response need room.")
    if max_response is not None and not 0 < max_response < max_length:
        raise ConfigError(
            f"[task.max_response] {max_response} must be from 1 to max_length - 1, here {max_length - 1}: a prompt needs room."
        )


def tokenised(
    examples: Sequence[Example],
    tokenizer: Any,
    *,
    template: str,
    max_length: int,
    max_response: int | None,
    add_eos: bool,
    objectives: Mapping[str, TextLabel],
) -> Tokenised:
    """The lists as tokens.

    Args:
        examples: checked lists, at least one; one without labels is not judged.
        tokenizer: of the model.
        template: `chat`, `none` or a format with `{prompt}`.
        max_length: the most tokens of a prompt and any one of its responses. A prompt keeps its end (and a BOS at its beginning)
            in the room that its list's longest response leaves.
        max_response: the most tokens of a response, EOS included; a longer one keeps its beginning and gets no EOS. None is what
            the prompt leaves, half of `max_length` at least.
        add_eos: ends every whole response in the tokenizer's EOS.
        objectives: by name, which labels to take and what to make of them.

    Raises:
        ConfigError: responses may be as long as everything, the template does not fit the tokenizer, or it has no EOS to add.
        DataError: there is no list, a prompt or a response has no tokens, or nothing of a prompt would stay.
    """
    if not examples:
        raise DataError("the data holds no list: nothing can be read or scored.")
    check_lengths(max_length, max_response)
    if add_eos and tokenizer.eos_token_id is None:
        raise ConfigError("[task.add_eos] the tokenizer has no EOS token; set it to false.")
    put = Template(tokenizer, template)
    cutter = Cutter(put, max_length, max_response, tokenizer.eos_token_id if add_eos else None)
    cutter.add(examples)
    sizes = torch.tensor([len(example.responses) for example in examples], dtype=torch.int64)
    labels, mask, labelled = label_columns(examples, sizes, objectives)
    counts = Counts(
        lists=len(examples),
        items=int(sizes.sum()),
        tokens=sum(map(len, cutter.parts)),
        cut_prompts=cutter.cut_prompts,
        cut_responses=cutter.cut_responses,
        alike=cutter.alike,
        labelled=labelled,
    )
    return Tokenised(
        tokens=torch.cat(cutter.parts),
        prompt_lengths=torch.tensor(cutter.prompt_lengths, dtype=torch.int64),
        sizes=sizes,
        response_lengths=torch.tensor(cutter.response_lengths, dtype=torch.int64),
        labels=labels,
        mask=mask,
        texts=tuple(cutter.texts),
        asked=tuple(last_words(example.prompt) for example in examples),
        lead=put.lead,
        where=tuple(example.where for example in examples),
        counts=counts,
    )


def _digest(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {list(tensor.shape)};".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
