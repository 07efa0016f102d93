"""Prompt templates: a chat template, a format such as `USER: {prompt} ASSISTANT:`, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moft import ConfigError, DataError
from moft_llm.data.preference_example import Message, Prompt

PLACEHOLDER = "{prompt}"

CONTEXT = 64
"""Characters at a prompt's end that decide how its response is tokenized; tokenizers look no further back."""


def check_format(template: str) -> None:
    """Checks that a template is `chat`, `none` or a format.

    Raises:
        ConfigError: it does not have `{prompt}` exactly once.
    """
    if template not in ("chat", "none") and template.count(PLACEHOLDER) != 1:
        raise ConfigError(f"[task.template] {template!r} must be chat, none, or a format that has {PLACEHOLDER} once.")


@dataclass(frozen=True)
class Template:
    """Turns prompts into text and tokens, for one tokenizer.

    Spaces at the end of a format are made part of the response. Tokenizers put a space at the start of a word, so after a prompt
    that ends in a space, the first word would need two.

    Args:
        tokenizer: of the model, a `PreTrainedTokenizerBase`.
        text: `chat` for the tokenizer's own chat template, `none`, or a format with `{prompt}` where the prompt goes.

    Raises:
        ConfigError: the tokenizer has no chat template, or a format does not have `{prompt}` exactly once.
    """

    tokenizer: Any
    text: str

    def __post_init__(self) -> None:
        if self.text == "chat" and not getattr(self.tokenizer, "chat_template", None):
            raise ConfigError(
                "[task.template] chat: the tokenizer has no chat template. Use none, or a format such as "
                "'USER: {prompt} ASSISTANT:'."
            )
        check_format(self.text)

    @property
    def leading_space(self) -> str:
        """What every response begins with: the spaces at the end of a format."""
        return "" if self.text in ("chat", "none") else self.text[len(self.text.rstrip(" ")) :]

    def render(self, prompt: Prompt, where: str) -> str:
        """The prompt as the model reads it, up to where the response begins.

        Args:
            prompt: text or messages; text is one message of a user.
            where: its file and line, for messages.

        Raises:
            DataError: the prompt has several messages and the template takes one, or the chat template raises an error.
        """
        if self.text == "chat":
            return self._chat((Message("user", prompt),) if isinstance(prompt, str) else prompt, where)
        if not isinstance(prompt, str):
            if len(prompt) != 1:
                raise DataError(
                    f"{where}: the prompt has {len(prompt)} messages, but the template {self.text!r} takes one. Use chat."
                )
            prompt = prompt[0].content
        return prompt if self.text == "none" else self.text.rstrip(" ").replace(PLACEHOLDER, prompt)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of rendered prompts, after BOS where the tokenizer adds one; chat templates write their own."""
        begin = [] if self.text == "chat" else self._bos()
        return [ids if ids[:1] == begin else [*begin, *ids] for ids in tokenize_texts(self.tokenizer, texts)]

    def _bos(self) -> list[int]:
        """BOS, if the tokenizer adds it to a text."""
        first = self.tokenizer("a", verbose=False)["input_ids"][:1]
        return first if first == [self.tokenizer.bos_token_id] else []

    def _chat(self, messages: tuple[Message, ...], where: str) -> str:
        from jinja2 import TemplateError

        try:
            text: str = self.tokenizer.apply_chat_template(
                [vars(message) for message in messages], tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:  # what the code of a template may raise
            reason = " ".join(str(error).split())
            raise DataError(f"{where}: the tokenizer's chat template rejects the prompt ({reason}).") from error
        return text


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
