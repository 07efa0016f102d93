"""Tokenizes prompts and responses within a maximum length, with their labels, and counts what was truncated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moft import ConfigError, DataError
from moft_llm.data.chat.chat_template import Template
from moft_llm.data.label_transforms import TextLabel, label_columns
from moft_llm.data.preference_example import Example, scorer_prompt
from moft_llm.data.truncation import Truncator


@dataclass(frozen=True)
class Counts:
    """Sizes of a split, and what was truncated.

    Args:
        lists: how many.
        items: responses of all lists.
        tokens: of all lists, their prompts once.
        cut_prompts: prompts that lost their beginning.
        cut_responses: responses that lost their end.
        identical: lists in which two responses have the same tokens, mostly because both were truncated.
        labelled: by objective, lists whose labels prefer one response to another.
        split_prompts: prompts in which control tokens are text.
        split_responses: responses in which they are.
        closed_responses: answers before which the block that the prompt opens was ended.
        moved_responses: those of which the chat template makes reasoning.
        block: what such a block begins with, such as `<think>`.
    """

    lists: int
    items: int
    tokens: int
    cut_prompts: int
    cut_responses: int
    identical: int
    labelled: Mapping[str, int]
    split_prompts: int = 0
    split_responses: int = 0
    closed_responses: int = 0
    moved_responses: int = 0
    block: str = ""


@dataclass(frozen=True)
class UniquePrompt:
    """A prompt, and the lists that it is in.

    Args:
        text: as rendered, before truncation.
        tokens: of the prompt.
        lists: their numbers.
    """

    text: str
    tokens: tuple[int, ...]
    lists: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class TokenizedLists:
    """The lists of a split, on the CPU.

    Args:
        tokens: `[tokens]` int32; list after list: the prompt, then its responses.
        prompt_lengths: `[lists]` int64, tokens of each prompt, at least one.
        sizes: `[lists]` int64, responses of each list.
        response_lengths: `[items]` int64, tokens of each response, at least one.
        labels: `[items, m]` float32, transformed, in the order of the objectives.
        mask: `[items, m]` bool, True where a response is labelled, and the labels of its list are not all equal.
        texts: the rendered prompt of each list.
        scorer_prompts: the prompt of each list as scorers read it.
        leading_space: spaces before every response.
        opening: the block that every prompt opens.
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
    scorer_prompts: tuple[str, ...]
    leading_space: str
    opening: str
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
        """Hash of what reference scores depend on: tokens, and the lengths of prompts and responses."""
        return _digest(self.tokens, self.prompt_lengths, self.sizes, self.response_lengths)

    @property
    def sha256(self) -> str:
        """Hash of tokens, labels and mask."""
        return _digest(
            self.tokens, self.prompt_lengths, self.sizes, self.response_lengths, self.labels, self.mask.to(torch.uint8)
        )

    def prompts(self) -> list[UniquePrompt]:
        """Every prompt once, in order. Where lists truncated it differently, the longest version."""
        starts = self.lengths.cumsum(0) - self.lengths
        lists: dict[str, list[int]] = {}
        for index, text in enumerate(self.texts):
            lists.setdefault(text, []).append(index)
        prompts = []
        for text, places in lists.items():
            longest = max(places, key=lambda index: int(self.prompt_lengths[index]))
            start = int(starts[longest])
            tokens = self.tokens[start : start + int(self.prompt_lengths[longest])]
            prompts.append(UniquePrompt(text, tuple(tokens.tolist()), tuple(places)))
        return prompts

    def notes(self, split: str) -> tuple[str, ...]:
        """Notes for users about truncation in a split, in sentences."""
        counts = self.counts
        notes = (
            (counts.cut_prompts, f"of {counts.lists} prompts were too long and lost their beginning"),
            (counts.cut_responses, f"of {counts.items} responses were too long and lost their end"),
            (counts.identical, f"of {counts.lists} prompts have responses with identical tokens, which get identical scores"),
        )
        told = [f"{split}: {count} {what}." for count, what in notes if count]
        if counts.split_prompts or counts.split_responses:
            told.append(
                f"{split}: {counts.split_prompts} of {counts.lists} prompts and {counts.split_responses} of {counts.items} "
                "responses have control tokens of the tokenizer, which are read as text; task.control_tokens: keep keeps them."
            )
        if counts.closed_responses:
            told.append(
                f"{split}: {counts.closed_responses} of {counts.items} responses do not end the block that the prompt opens "
                f"({counts.block}), so it is ended before them. Begin those that are cut within it with {counts.block}."
            )
        if counts.moved_responses:
            ending = counts.block.replace("<", "</")
            told.append(
                f"{split}: {counts.moved_responses} of {counts.items} responses have {ending} but do not begin with "
                f"{counts.block}; the chat template makes reasoning of what is before {ending}."
            )
        return tuple(told)


def check_truncation(splits: Sequence[Counts], most: float) -> None:
    """Checks that truncation did not hit more than a share of all prompts, or of all responses.

    Args:
        splits: what was truncated in each.
        most: the share that is allowed.

    Raises:
        ConfigError: it did.
    """
    for cut, whole, what, advice in (
        ("cut_prompts", "lists", "prompts", "Raise task.max_length, lower task.max_response"),
        ("cut_responses", "items", "responses", "Raise task.max_length or task.max_response"),
    ):
        count, total = (sum(getattr(counts, name) for counts in splits) for name in (cut, whole))
        if count > most * total:
            raise ConfigError(
                f"[task.max_length] {count} of {total} {what} are too long and would be cut, more than "
                f"task.max_truncated: {most:g}. {advice}, take a model with a longer context, or raise task.max_truncated."
            )


def check_lengths(max_length: int, max_response: int | None) -> None:
    """Checks that a prompt and the longest response both have room.

    Raises:
        ConfigError: they do not.
    """
    if max_length < 2:
        raise ConfigError(
            f"[task.max_length] {max_length} must be at least 2: one token for the prompt and one for the response."
        )
    if max_response is not None and not 0 < max_response < max_length:
        raise ConfigError(
            f"[task.max_response] {max_response} must be from 1 to max_length - 1 = {max_length - 1}: the prompt needs a token."
        )


def tokenize(
    examples: Sequence[Example],
    tokenizer: Any,
    *,
    template: Template | str,
    max_length: int,
    max_response: int | None,
    add_eos: bool,
    objectives: Mapping[str, TextLabel],
) -> TokenizedLists:
    """Prompts and responses as tokens, with labels.

    Args:
        examples: checked, at least one; labels may be missing.
        tokenizer: of the model.
        template: of the prompts, or `chat`, `none` or a format with `{prompt}`.
        max_length: the most tokens of a prompt and any one of its responses. A prompt that is too long beside its longest
            response keeps its end, and its BOS.
        max_response: the most tokens of a response, its end included; a longer one keeps its beginning and gets no end. None is
            what the prompt leaves, but at least half of `max_length`.
        add_eos: ends every whole response in the token that ends a turn in the chat template, else in the tokenizer's EOS.
        objectives: by name, which labels to take and how to transform them.

    Raises:
        ConfigError: `max_response` leaves no room for a prompt, the template does not fit the tokenizer, or there is no EOS.
        DataError: there are no examples, a prompt or a response has no tokens, or truncation would leave nothing of a prompt.
    """
    if not examples:
        raise DataError("the data has no prompts.")
    check_lengths(max_length, max_response)
    if add_eos and tokenizer.eos_token_id is None:
        raise ConfigError("[task.add_eos] the tokenizer has no end-of-sequence token. Set it to false.")
    prompt_template = Template(tokenizer, template) if isinstance(template, str) else template
    truncator = Truncator(prompt_template, max_length, max_response, add_eos)
    truncator.add(examples)
    sizes = torch.tensor([len(example.responses) for example in examples], dtype=torch.int64)
    labels, mask, labelled = label_columns(examples, sizes, objectives)
    counts = Counts(
        lists=len(examples),
        items=int(sizes.sum()),
        tokens=sum(map(len, truncator.parts)),
        cut_prompts=truncator.cut_prompts,
        cut_responses=truncator.cut_responses,
        identical=truncator.identical,
        split_prompts=truncator.split_prompts,
        split_responses=truncator.split_responses,
        closed_responses=truncator.closed_responses,
        moved_responses=truncator.moved_responses,
        block=prompt_template.turn_end.block,
        labelled=labelled,
    )
    return TokenizedLists(
        tokens=torch.cat(truncator.parts),
        prompt_lengths=torch.tensor(truncator.prompt_lengths, dtype=torch.int64),
        sizes=sizes,
        response_lengths=torch.tensor(truncator.response_lengths, dtype=torch.int64),
        labels=labels,
        mask=mask,
        texts=tuple(truncator.texts),
        scorer_prompts=tuple(scorer_prompt(example.prompt) for example in examples),
        leading_space=prompt_template.leading_space,
        opening=prompt_template.opening,
        where=tuple(example.where for example in examples),
        counts=counts,
    )


def _digest(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {list(tensor.shape)};".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
