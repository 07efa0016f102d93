"""The data contract: a prompt, its responses, and labels per response and objective."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moft import DataError
from moft.api import float_of, json_of

FORM = '{"prompt": text or messages, "responses": [text, ...], "labels": {objective: [number or null, ...]}}'


LARGEST = 3.4e38
"""Size of a label; targets are computed in 32 bits."""


@dataclass(frozen=True)
class Message:
    """One turn of a chat.

    Args:
        role: who speaks, as chat templates call it: system, user, assistant.
        content: what is said.
    """

    role: str
    content: str


Prompt = str | tuple[Message, ...]


@dataclass(frozen=True)
class Example:
    """A list: a prompt and its responses.

    Args:
        prompt: text, or the messages of a chat.
        responses: texts.
        labels: by objective, one number for each response, larger is better; None where it is not judged.
        where: the file and line, or row, that it comes from.
    """

    prompt: Prompt
    responses: tuple[str, ...]
    labels: Mapping[str, tuple[float | None, ...]]
    where: str


def last_words(prompt: Prompt) -> str:
    """A prompt as scorers read it: the text, or the last message of a chat."""
    return prompt if isinstance(prompt, str) else prompt[-1].content


def prompt_of(value: Any, where: str) -> Prompt:
    """A prompt from what a file holds: text, or a list of messages.

    Raises:
        DataError: it is neither, or a chat does not end in a turn that can be answered.
    """
    if isinstance(value, str):
        return text_of(value, "prompt", where)
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{where}: prompt is {shown(value)}; it must be text, or a list of messages with role and content.")
    messages = messages_of(value, "prompt", where)
    if messages[-1].role == "assistant":
        raise DataError(f"{where}: the last message of the prompt is the assistant's; the responses must answer another's.")
    return messages


def prompt_lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a file of prompts that say something, each after its place; other ends of a line than `\\n` are text.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # splitlines would cut JSON at U+2028
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error.reason}).") from error
    return ((f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip())


def prompt_line(line: str, where: str, form: str) -> dict[str, Any]:
    """The object that stands on a line of a file of prompts.

    Args:
        line: JSON.
        where: the file and line, for messages.
        form: what a line looks like, for messages.

    Raises:
        DataError: it is no JSON, or has no `prompt`.
    """
    entry = json_of(line, where, form)
    if not isinstance(entry, dict) or "prompt" not in entry:
        raise DataError(f"{where}: has no 'prompt'; a line is {form}.")
    return entry


def messages_of(values: Sequence[Any], what: str, where: str) -> tuple[Message, ...]:
    """Messages from what a file holds.

    Raises:
        DataError: one is not of the form `{"role": text, "content": text}`.
    """
    for number, value in enumerate(values, start=1):
        if not isinstance(value, Mapping) or not {"role", "content"} <= value.keys():
            raise DataError(f"{where}: message {number} of {what} is {shown(value)}; a message is {{role: text, content: text}}.")
        for part in ("role", "content"):
            text_of(value[part], f"{part} of message {number} of {what}", where)
    return tuple(Message(value["role"], value["content"]) for value in values)


def text_of(value: Any, what: str, where: str) -> str:
    """`value`, once it is known to be text that can be encoded.

    Raises:
        DataError: it is not.
    """
    if not isinstance(value, str):
        raise DataError(f"{where}: {what} is {shown(value)}; it must be text.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: {what} holds half of a surrogate pair at character {error.start}; it must be text.") from error
    return value


def label_of(value: Any, what: str, where: str) -> float | None:
    """A label: a finite number, true and false being 1 and 0, or None.

    Raises:
        DataError: it is none of these.
    """
    if value is None:
        return None
    number = float_of(value) if isinstance(value, int | float) else math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: {what} is {shown(value)}; it must be a finite number, or null where nothing was judged.")
    if abs(number) > LARGEST:
        raise DataError(f"{where}: {what} is {shown(value)}; it must be from -{LARGEST:g} to {LARGEST:g}, a number of 32 bits.")
    return number


def shown(value: Any) -> str:
    """A value as short text on one line, for messages."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
