"""The data format: a prompt, its responses, and labels per response and objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from moft_llm.data.chat.messages import Message, Prompt, Response, prompt_of, scorer_prompt
from moft_llm.data.texts_and_labels import label_of, short_repr, text_of

__all__ = ["LIST_FORMAT", "Example", "Message", "Prompt", "label_of", "prompt_of", "scorer_prompt", "short_repr", "text_of"]

LIST_FORMAT = '{"prompt": text or messages, "responses": [text, ...], "labels": {objective: [number or null, ...]}}'


@dataclass(frozen=True)
class Example:
    """A prompt and its responses, which the engine calls a list.

    Args:
        prompt: text, or the messages of a chat, and tools where there are any.
        responses: texts, or messages of the assistant that are more than a text.
        labels: by objective, one number for each response, larger is better; None where it is not labelled.
        where: its file and line, or row.
    """

    prompt: Prompt
    responses: tuple[Response, ...]
    labels: Mapping[str, tuple[float | None, ...]]
    where: str
