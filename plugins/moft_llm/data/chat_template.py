"""How a prompt is put to the model: a chat template, a format such as `USER: {prompt} ASSISTANT:`, or as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moft import ConfigError, DataError
from moft_llm.data.example import Message, Prompt

PLACE = "{prompt}"

END = 64
"""Characters at a prompt's end that decide how a response goes on; tokenizers look no further back."""


def check_format(template: str) -> None:
    """Nothing, when a template is `chat`, `none` or a format.

    Raises:
        ConfigError: it has not one `{prompt}`.
    """
    if template not in ("chat", "none") and template.count(PLACE) != 1:
        raise ConfigError(f"[task.template] {template!r} must be chat, none, or a format that has {PLACE} once.")


@dataclass(frozen=True)
class Template:
    """Prompts to text and tokens, for one tokenizer.

    Spaces at the end of a format belong to the response: tokenizers put a space at the start of a word, so that a prompt which
    ends in one would ask for a word that begins with two.

    Args:
        tokenizer: of the model, a `PreTrainedTokenizerBase`.
        text: `chat` for the tokenizer's own chat template, `none`, or a format with `{prompt}` where the prompt goes.

    Raises:
        ConfigError: the tokenizer has no chat template, or a format has not one `{prompt}`.
    """

    tokenizer: Any
    text: str

    def __post_init__(self) -> None:
        if self.text == "chat" and not getattr(self.tokenizer, "chat_template", None):
            raise ConfigError(
                "[task.template] chat: the tokenizer has no chat template; use none, or a format such as "
                "'USER: {prompt} ASSISTANT:'."
            )
        check_format(self.text)

    @property
    def lead(self) -> str:
        """What stands before every response: the spaces at the end of a format."""
        return "" if self.text in ("chat", "none") else self.text[len(self.text.rstrip(" ")) :]

    def rendered(self, prompt: Prompt, where: str) -> str:
        """The prompt as the model reads it, up to where the response begins.

        Args:
            prompt: text or messages; text is one message of a user.
            where: the file and line that it comes from, for messages.

        Raises:
            DataError: the prompt has several messages and the template takes one, or the chat template refuses them.
        """
        if self.text == "chat":
            return self._chat((Message("user", prompt),) if isinstance(prompt, str) else prompt, where)
        if not isinstance(prompt, str):
            if len(prompt) != 1:
                raise DataError(
                    f"{where}: the prompt has {len(prompt)} messages; the template {self.text!r} takes one. Use chat."
                )
            prompt = prompt[0].content
        return prompt if self.text == "none" else self.text.rstrip(" ").replace(PLACE, prompt)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of rendered prompts after the tokenizer's BOS, where it puts one itself; chat templates write theirs."""
        begin = [] if self.text == "chat" else self._begin()
        return [ids if ids[:1] == begin else [*begin, *ids] for ids in encoded(self.tokenizer, texts)]

    def _begin(self) -> list[int]:
        """The BOS, if the tokenizer puts one before a text."""
        first = self.tokenizer("a", verbose=False)["input_ids"][:1]
        return first if first == [self.tokenizer.bos_token_id] else []

    def _chat(self, messages: tuple[Message, ...], where: str) -> str:
        from jinja2 import TemplateError

        try:
            text: str = self.tokenizer.apply_chat_template(
                [vars(message) for message in messages], tokenize=False, add_generation_prompt=True
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:  # what a template's own code may raise
            said = " ".join(str(error).split())
            raise DataError(f"{where}: the tokenizer's chat template refuses the prompt ({said}).") from error
        return text


def encoded(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text alone: nothing is added, nothing is cut."""
    if not texts:
        return []
    ids: list[list[int]] = tokenizer(
        list(texts), add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False, verbose=False
    )["input_ids"]
    return ids


def continued(tokenizer: Any, prompts: Sequence[str], responses: Sequence[str]) -> list[list[int]]:
    """The tokens of responses, each as it goes on after its prompt.

    The end of the prompt and the response are tokenized as one text, so that no space comes between that is in neither. Where a
    token would belong to both, the response is tokenized after a line break instead, and by itself where that does not stand
    apart either.

    Args:
        tokenizer: of the model.
        prompts: rendered.
        responses: one for each prompt.
    """
    ends = [prompt[-END:] for prompt in prompts]
    whole = encoded(tokenizer, [end + response for end, response in zip(ends, responses, strict=True)])
    found = _after(encoded(tokenizer, ends), whole)
    left = [place for place, tokens in enumerate(found) if tokens is None]
    if left:
        lines = encoded(tokenizer, ["\n", *("\n" + responses[place] for place in left)])
        alone = encoded(tokenizer, [responses[place] for place in left])
        for place, tokens, other in zip(left, _after(lines[:1] * len(left), lines[1:]), alone, strict=True):
            found[place] = other if tokens is None else tokens
    return [tokens or [] for tokens in found]


def _after(starts: Sequence[Sequence[int]], whole: Sequence[Sequence[int]]) -> list[list[int] | None]:
    """What follows `starts` in `whole`; None where that does not begin with them."""
    return [
        list(tokens[len(start) :]) if list(tokens[: len(start)]) == list(start) else None
        for start, tokens in zip(starts, whole, strict=True)
    ]
