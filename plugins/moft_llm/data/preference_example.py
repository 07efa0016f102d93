"""The data format: a prompt, its responses, and labels per response and objective."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moft import DataError
from moft.api import float_of

LIST_FORMAT = '{"prompt": text or messages, "responses": [text, ...], "labels": {objective: [number or null, ...]}}'


MAX_LABEL = 3.4e38
"""Labels are stored in 32 bits."""

MAX_CHARACTERS = 1_000_000
"""Of a text; a tokenizer takes seconds for a word of a million letters."""

MAX_RESPONSES = 1_000
"""To a prompt; they are scored in one forward pass."""


@dataclass(frozen=True)
class Message:
    """One turn of a chat.

    Args:
        role: who speaks, as chat templates call it: system, user, assistant.
        content: the text of the turn.
    """

    role: str
    content: str


Prompt = str | tuple[Message, ...]


@dataclass(frozen=True)
class Example:
    """A prompt and its responses, which the engine calls a list.

    Args:
        prompt: text, or the messages of a chat.
        responses: texts.
        labels: by objective, one number for each response, larger is better; None where it is not labelled.
        where: its file and line, or row.
    """

    prompt: Prompt
    responses: tuple[str, ...]
    labels: Mapping[str, tuple[float | None, ...]]
    where: str


def scorer_prompt(prompt: Prompt) -> str:
    """A prompt as scorers read it: the text, or the last message of a chat."""
    return prompt if isinstance(prompt, str) else prompt[-1].content


def prompt_texts(prompt: Prompt) -> tuple[str, ...]:
    """The text of a prompt, or those of its messages."""
    return (prompt,) if isinstance(prompt, str) else tuple(message.content for message in prompt)


def prompt_json(prompt: Prompt) -> str | list[dict[str, str]]:
    """A prompt as it is written in JSON."""
    return prompt if isinstance(prompt, str) else [vars(message) for message in prompt]


def prompt_of(value: Any, where: str) -> Prompt:
    """A prompt from what a file holds: text, or a list of messages.

    Raises:
        DataError: it is neither, or a chat ends in a message of the assistant.
    """
    if isinstance(value, str):
        return text_of(value, "prompt", where)
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{where}: prompt is {short_repr(value)}; it must be text, or a list of messages with role and content.")
    messages = messages_of(value, "prompt", where)
    if messages[-1].role == "assistant":
        raise DataError(
            f"{where}: the last message of the prompt has the role assistant; the responses must follow another role."
        )
    return messages


def messages_of(values: Sequence[Any], what: str, where: str) -> tuple[Message, ...]:
    """Messages from what a file holds.

    Args:
        values: of the file.
        what: they are, for messages.
        where: the file and line, for messages.

    Raises:
        DataError: one is not of the form `{"role": text, "content": text}`.
    """
    for number, value in enumerate(values, start=1):
        if not isinstance(value, Mapping) or not {"role", "content"} <= value.keys():
            raise DataError(
                f"{where}: message {number} of {what} is {short_repr(value)}; a message is {{role: text, content: text}}."
            )
        for part in ("role", "content"):
            text_of(value[part], f"{part} of message {number} of {what}", where)
    return tuple(Message(value["role"], value["content"]) for value in values)


def text_of(value: Any, what: str, where: str) -> str:
    """`value`, checked to be text that can be encoded and tokenized.

    Raises:
        DataError: it is not.
    """
    if not isinstance(value, str):
        raise DataError(f"{where}: {what} is {short_repr(value)}; it must be text.")
    if len(value) > MAX_CHARACTERS:
        raise DataError(f"{where}: {what} has {len(value):,} characters; at most {MAX_CHARACTERS:,} are allowed.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: {what} has half of a surrogate pair at character {error.start}; it must be valid text."
        ) from error
    return value


def label_of(value: Any, what: str, where: str) -> float | None:
    """A label: a finite number, or None. True and False are 1 and 0.

    Raises:
        DataError: it is none of these.
    """
    if value is None:
        return None
    number = float_of(value) if isinstance(value, int | float) else math.nan
    if not math.isfinite(number):
        raise DataError(
            f"{where}: {what} is {short_repr(value)}; it must be a finite number, or null for a response without a label."
        )
    if abs(number) > MAX_LABEL:
        raise DataError(
            f"{where}: {what} is {short_repr(value)}; it must be from -{MAX_LABEL:g} to {MAX_LABEL:g}, to fit into 32 bits."
        )
    return number


def short_repr(value: Any) -> str:
    """A value as short text on one line, for messages."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
