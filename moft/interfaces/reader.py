"""The interface of readers, which give prompts with labelled responses from data of any kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class LabelledTexts:
    """A prompt with its responses and their labels, as JSON has them.

    Args:
        where: the file and line, or what else leads a user to it; messages begin with it.
        prompt: text, or the messages of a chat, each a mapping with `role` and `content`.
        responses: texts, or messages of the assistant.
        labels: by name, a number for each response, larger is better; None where it is not labelled.
        tools: of a chat; None for none.
    """

    where: str
    prompt: str | Sequence[Mapping[str, Any]]
    responses: Sequence[str | Mapping[str, Any]]
    labels: Mapping[str, Sequence[float | None]]
    tools: Sequence[Mapping[str, Any]] | None = None


@runtime_checkable
class Reader(Protocol):
    """Reads prompts with labelled responses."""

    @property
    def places(self) -> Sequence[str]:
        """Files, folders or names on the hub that are read, so that they can be checked before training; else empty."""
        ...

    def lists(self, split: str | None) -> Iterator[LabelledTexts]:
        """Every prompt once, in the same order on every call; nothing is read before the first is asked for.

        Args:
            split: the name of a split that the data stores, such as `train`; None for everything.

        Raises:
            DataError: something is malformed, or there is no such split; the message begins with where.
        """
        ...
