"""Prompt templates: a chat template, a format such as `USER: {prompt} ASSISTANT:`, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from moft import ConfigError, DataError
from moft_llm.data.chat.control_tokens import ControlTokens, SplitText, TokenSplitter, check_private
from moft_llm.data.chat.messages import Message, Prompt, Response, messages_in, response_text, tools_in
from moft_llm.data.chat.turn_end import TurnEnd, turn_end_of, written_names
from moft_llm.data.chat.whole_chats import ChatRenderer, Continuation

PLACEHOLDER = "{prompt}"

ASKS_TIME = "strftime_now"
"""The function by which a chat template asks for the time, as transformers calls it."""

CONTEXT = 64
"""Characters at a prompt's end that decide how its response is tokenized; tokenizers look no further back."""

VERSION = 2
"""Of how text becomes tokens. In version 1, that of moft 0.2.0, every response ends in EOS and the chat template writes none,
control tokens in texts are kept, and messages have a role and a content only."""


def check_format(template: str) -> None:
    """Checks that a template is `chat`, `none` or a format.

    Raises:
        ConfigError: it does not have `{prompt}` exactly once.
    """
    if template not in ("chat", "none") and template.count(PLACEHOLDER) != 1:
        raise ConfigError(f"[task.template] {template!r} must be chat, none, or a format that has {PLACEHOLDER} once.")


def whole_response(text: str, leading_space: str, opening: str) -> str:
    """A generated text as a response of the data: without the leading space, and with the block that its prompt opens.

    Reasoning that is cut so begins with `<think>`, and is never taken for an answer: by training, scorers or readers.
    """
    return opening + text.removeprefix(leading_space)


@dataclass(frozen=True)
class TokenizedResponse:
    """A response as tokens.

    Args:
        tokens: as it continues its prompt, without the end, unless the text names it last.
        end: the token that ends it.
        is_split: whether it has names of control tokens that are text.
        is_closed: whether the end of a block that the prompt opens was put before it.
        is_moved: whether the template makes reasoning of a part that the data does not mark as such.
    """

    tokens: list[int]
    end: int | None
    is_split: bool
    is_closed: bool = False
    is_moved: bool = False


@dataclass(frozen=True)
class Template:
    """Turns prompts into text and tokens, for one tokenizer.

    Spaces at the end of a format are made part of the response. Tokenizers put a space at the start of a word, so after a prompt
    that ends in a space, the first word would need two.

    Args:
        tokenizer: of the model, a `PreTrainedTokenizerBase`.
        text: `chat` for the tokenizer's own chat template, `none`, or a format with `{prompt}` where the prompt goes.
        control_tokens: `split` reads control tokens in prompts and responses as text; `keep` as control tokens.
        version: of how text becomes tokens.
        now: what a chat template that asks for the time is told; None is the time at which it is asked.

    Raises:
        ConfigError: the tokenizer has no chat template, or a format does not have `{prompt}` exactly once.
    """

    tokenizer: Any
    text: str
    control_tokens: ControlTokens = "split"
    version: int = VERSION
    now: datetime | None = None

    def __post_init__(self) -> None:
        if self.text == "chat" and not getattr(self.tokenizer, "chat_template", None):
            raise ConfigError(
                "[task.template] chat: the tokenizer has no chat template. Use none, or a format such as "
                "'USER: {prompt} ASSISTANT:'."
            )
        check_format(self.text)

    @property
    def asks_time(self) -> bool:
        """Whether the chat template writes the time, mostly today's date."""
        return self.text == "chat" and ASKS_TIME in str(self.tokenizer.chat_template)

    @property
    def leading_space(self) -> str:
        """What every response begins with: the spaces at the end of a format, or before a message of the assistant."""
        if self.text == "chat":
            return self.turn_end.space
        return "" if self.text == "none" else self.text[len(self.text.rstrip(" ")) :]

    @property
    def opening(self) -> str:
        """The block that every prompt opens, such as `<think>`; it is the beginning of a generated response."""
        return self.turn_end.opening if self.turn_end.ends_opening("") else ""

    def whole_response(self, text: str) -> str:
        """A generated text as a response of the data; see the function."""
        return whole_response(text, self.leading_space, self.opening)

    @property
    def end(self) -> int | None:
        """The token that ends a response: that which ends a turn in the chat template, else EOS.

        Raises:
            ConfigError: the chat template cannot be read, or does not end.
        """
        token = self.turn_end.token
        eos: int | None = self.tokenizer.eos_token_id
        return eos if token is None else token

    @cached_property
    def turn_end(self) -> TurnEnd:
        """How the chat template writes a turn of the assistant; empty without one.

        Raises:
            ConfigError: the chat template cannot be read, or does not end.
        """
        if self.text != "chat" or self.version == 1:
            return TurnEnd()
        found = turn_end_of(self.tokenizer)
        if found.fault is not None and found.fault.kind != "rejected":
            raise ConfigError(f"[task.template] chat: the tokenizer's chat template {found.fault.in_words()}.")
        return found

    @cached_property
    def splitter(self) -> TokenSplitter:
        """Finds and splits the control tokens of tokenizer and template."""
        if self.version == 1:
            return TokenSplitter(self.tokenizer)
        return TokenSplitter(
            self.tokenizer, self.turn_end.names if self.text == "chat" else written_names(self.tokenizer, self.text)
        )

    @property
    def is_splitting(self) -> bool:
        """Whether control tokens in the texts of users are text."""
        return self.control_tokens == "split" and self.version > 1

    @cached_property
    def _closing(self) -> str:
        """The name of the token that ends a response, where control tokens are split; else empty."""
        return self.splitter.name(self.end) if self.is_splitting else ""

    @cached_property
    def _chats(self) -> ChatRenderer:
        return ChatRenderer(
            self.tokenizer, self.splitter, is_splitting=self.is_splitting, is_whole=self.version > 1, now=self.now
        )

    def render(self, prompt: Prompt, where: str) -> str:
        """`render_all` of one prompt."""
        return self.render_all([prompt], [where])[0]

    def render_all(self, prompts: Sequence[Prompt], places: Sequence[str]) -> list[str]:
        """Prompts as the model reads them, up to where the response begins; a `SplitText` where control tokens are split.

        Args:
            prompts: text or messages; text is one message of a user.
            places: the file and line of each, for messages.

        Raises:
            DataError: a prompt has more than the template takes; or the chat template raises an error, does not end, or leaves
                out a part of the prompt.
        """
        if self.text == "chat":
            return self._chats.render(prompts, places)
        return [self._formatted(prompt, where) for prompt, where in zip(prompts, places, strict=True)]

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of rendered prompts, after BOS where the tokenizer adds one; chat templates write their own."""
        begin = self.begin
        plain = iter(tokenize_texts(self.tokenizer, [text for text in texts if not isinstance(text, SplitText)]))
        split = iter(tokenize_texts(self.splitter, [text.protected for text in texts if isinstance(text, SplitText)]))
        tokens = [next(split if isinstance(text, SplitText) else plain) for text in texts]
        return [ids if ids[:1] == begin else [*begin, *ids] for ids in tokens]

    def tokenize_responses(
        self, prompts: Sequence[Prompt], starts: Sequence[str], responses: Sequence[Response], places: Sequence[str]
    ) -> list[TokenizedResponse]:
        """Responses as tokens that continue their prompts; where control tokens are split, a text may still end in the last one.

        Args:
            prompts: one for each response.
            starts: the prompts as rendered.
            responses: text, or a message that the chat template writes.
            places: the file and line of each, for messages.

        Raises:
            DataError: a message cannot be written as the continuation of its prompt, or control tokens cannot be split.
        """
        texts = [response if isinstance(response, str) else response_text(response) for response in responses]
        closed = [
            isinstance(response, str) and bool(self._closing) and response.rstrip().endswith(self._closing)
            for response in responses
        ]
        texts = [
            text.rstrip().removesuffix(self._closing) if is_closed else text
            for text, is_closed in zip(texts, closed, strict=True)
        ]
        messages = [
            Message("assistant", text) if isinstance(response, str) else response
            for text, response in zip(texts, responses, strict=True)
        ]
        written = self._continuations(prompts, starts, messages, places)
        bodies = [found.text for found in written]
        is_split = [self.is_splitting and self.splitter.count(text) > 0 for text in texts]
        tokens: list[list[int]] = [[]] * len(bodies)
        protected = [
            row
            for row, pair in enumerate(zip(starts, bodies, strict=True))
            if is_split[row] or any(isinstance(text, SplitText) for text in pair)
        ]
        for row in protected:
            check_private(texts[row], places[row])
        plain = sorted(set(range(len(bodies))) - set(protected))
        for rows, tokenizer, pairs in (
            (plain, self.tokenizer, [(starts[row], bodies[row]) for row in plain]),
            (protected, self.splitter, [self._protected(starts[row], bodies[row]) for row in protected]),
        ):
            found = tokenize_responses(tokenizer, [start for start, _ in pairs], [body for _, body in pairs])
            for row, ids in zip(rows, found, strict=True):
                tokens[row] = [*ids, end] if closed[row] and (end := written[row].end) is not None else ids
        return [
            TokenizedResponse(
                ids, found.end, has_names, isinstance(response, str) and self.turn_end.ends_opening(response), found.is_moved
            )
            for ids, has_names, response, found in zip(tokens, is_split, responses, written, strict=True)
        ]

    def _continuations(
        self, prompts: Sequence[Prompt], starts: Sequence[str], messages: Sequence[Message], places: Sequence[str]
    ) -> list[Continuation]:
        """What follows each prompt. A text that a chat template does not write goes as it is, after what precedes an answer."""
        if self.text != "chat" or self.version == 1:
            for message, where in zip(messages, places, strict=True):
                if message.more:
                    raise DataError(
                        f"{where}: only a chat template can write {message.keys} of a response. Set task.template: chat."
                    )
            return [Continuation(self.leading_space + message.content, self.end) for message in messages]
        found = self._chats.continuations(prompts, starts, messages, places, self.turn_end)
        return [
            self._unwritten(message.content)
            if written is None
            else replace(written, end=self.end if written.end is None else written.end)
            for message, written in zip(messages, found, strict=True)
        ]

    def _unwritten(self, response: str) -> Continuation:
        """A text that the chat template does not write."""
        before, text = self.turn_end.unwritten(response)
        has_tokens = self.is_splitting and self.splitter.count(before) > 0
        body = SplitText(before + text, self.splitter.protect(before) + text) if has_tokens else before + text
        return Continuation(body, self.end)

    def _protected(self, start: str, body: str) -> tuple[str, str]:
        """A rendered prompt and its response with private characters for the control tokens of the template."""
        return (
            start.protected if isinstance(start, SplitText) else self.splitter.protect(start),
            body.protected if isinstance(body, SplitText) else body,
        )

    def _formatted(self, prompt: Prompt, where: str) -> str:
        """A prompt in a format, or alone."""
        if not isinstance(prompt, str):
            messages = messages_in(prompt)
            if len(messages) != 1:
                raise DataError(
                    f"{where}: the prompt has {len(messages)} messages, but the template {self.text!r} takes one. Use chat."
                )
            keys = "tools" if tools_in(prompt) else messages[0].keys
            if keys and self.version > 1:
                raise DataError(f"{where}: the template {self.text!r} has no place for {keys} of the prompt. Use chat.")
            content = messages[0].content
        else:
            content = prompt
        before, after = ("", "") if self.text == "none" else self.text.rstrip(" ").split(PLACEHOLDER)
        if not before and content.startswith(bos := self.tokenizer.bos_token or ""):
            before, content = bos, content.removeprefix(bos)  # where it is what it says
        text, count = before + content + after, self.splitter.count
        if not self.is_splitting or count(text) == count(before) + count(after):
            return text
        check_private(content, where)
        return SplitText(text, self.splitter.protect(before) + content + self.splitter.protect(after))

    @property
    def begin(self) -> list[int]:
        """What every tokenized prompt begins with: BOS, if the tokenizer adds it to a text; chat templates write their own."""
        if self.text == "chat":
            return []
        first = self.tokenizer("a", verbose=False)["input_ids"][:1]
        return first if first == [self.tokenizer.bos_token_id] else []


def tokenize_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text, with nothing added or cut."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(
        list(texts), add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False, verbose=False
    )["input_ids"]
    return ids


def tokenize_responses(tokenizer: Any, prompts: Sequence[str], responses: Sequence[str]) -> list[list[int]]:
    """The tokens of responses, each as it continues its prompt.

    The end of the prompt and the response are tokenized as one text, so that no space is added between them. Where a token would
    span both, the response is tokenized after a line break instead, and alone if a token spans that too.

    Args:
        tokenizer: of the model.
        prompts: as rendered.
        responses: one for each prompt.
    """
    ends = [prompt[-CONTEXT:] for prompt in prompts]
    whole = tokenize_texts(tokenizer, [end + response for end, response in zip(ends, responses, strict=True)])
    tokens = _suffixes(tokenize_texts(tokenizer, ends), whole)
    left = [place for place, ids in enumerate(tokens) if ids is None]
    if left:
        lines = tokenize_texts(tokenizer, ["\n", *("\n" + responses[place] for place in left)])
        alone = tokenize_texts(tokenizer, [responses[place] for place in left])
        for place, after_line, other in zip(left, _suffixes(lines[:1] * len(left), lines[1:]), alone, strict=True):
            tokens[place] = other if after_line is None else after_line
    return [ids or [] for ids in tokens]


def _suffixes(starts: Sequence[Sequence[int]], whole: Sequence[Sequence[int]]) -> list[list[int] | None]:
    """What follows each of `starts` in `whole`; None where `whole` does not begin with it."""
    return [
        list(tokens[len(start) :]) if list(tokens[: len(start)]) == list(start) else None
        for start, tokens in zip(starts, whole, strict=True)
    ]
