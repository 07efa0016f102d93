"""Readers of pairs of a chosen and a rejected response: columns of them, and transcripts of Anthropic's HH."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from moft import ConfigError, DataError
from moft.api import PathOrName
from moft_llm.data.example import Example, Message, Prompt, messages_of, prompt_of, shown, text_of
from moft_llm.data.file_formats import Row
from moft_llm.data.sources import rows

TURN = re.compile(r"\n\n(Human|Assistant):")
LAST = "\n\nAssistant:"
ROLES = {"Human": "user", "Assistant": "assistant"}


@dataclass(frozen=True)
class Pairs:
    """One chosen and one rejected response a row, labelled 1 and 0 for one objective.

    A response is text, or a list of messages that ends in it; messages before the last are then the prompt.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of the hub.
        objective: what the labels are called.
        prompt: column of the prompt, where the responses are no whole chats.
        chosen: column of the response that was preferred.
        rejected: column of the other one.
    """

    path: PathOrName
    name: Literal["pairs"] = "pairs"
    objective: str = "preferred"
    prompt: str = "prompt"
    chosen: str = "chosen"
    rejected: str = "rejected"

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every pair, or those of a stored split.

        Raises:
            DataError: with file and line of the first fault.
        """
        for row in rows(self.path, split):
            (before, chosen), (before_rejected, rejected) = (_answer(row, name) for name in (self.chosen, self.rejected))
            if before != before_rejected:
                raise DataError(
                    f"{row.where}: {self.chosen} and {self.rejected} answer different messages; a pair has one prompt."
                )
            prompt = prompt_of([vars(message) for message in before] if before else row[self.prompt], row.where)
            yield Example(prompt, (chosen, rejected), {self.objective: (1.0, 0.0)}, row.where)


@dataclass(frozen=True)
class HH:
    """Pairs of transcripts with turns `Human:` and `Assistant:`, a file for each objective.

    A row has `text`, a list of the chosen and the rejected transcript, or columns `chosen` and `rejected`. What both share up to
    the last `Assistant:` is the prompt; what follows are the responses, labelled 1 and 0 for the objective of the file and not
    judged for the others.

    Args:
        paths: by objective, a file or folder of .jsonl, .json or .parquet, or `owner/name` of the hub.
        turns: `text` takes the prompt as it stands; `messages` makes a chat of it, for a chat template.
    """

    paths: dict[str, PathOrName]
    name: Literal["hh"] = "hh"
    turns: Literal["text", "messages"] = "text"

    def __post_init__(self) -> None:
        if not self.paths:
            raise ConfigError("[task.data.paths] names no file; give at least one, such as helpful: helpful.json.")

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every pair, file after file, or those of a stored split.

        Raises:
            DataError: with file and line of the first fault.
        """
        for objective, path in self.paths.items():
            for row in rows(path, split):
                chosen, rejected = _transcripts(row)
                end = os.path.commonprefix([chosen, rejected]).rfind(LAST) + len(LAST)  # noqa: RUF071 - of characters
                if end < len(LAST):
                    raise DataError(
                        f"{row.where}: the transcripts share no text up to an 'Assistant:', so they have no one prompt."
                    )
                prompt: Prompt = chosen[:end]
                responses = (chosen[end:], rejected[end:])
                if self.turns == "messages":
                    prompt, responses = (
                        _messages(chosen[: end - len(LAST)], row.where),
                        (responses[0].strip(), responses[1].strip()),
                    )
                yield Example(prompt, responses, {objective: (1.0, 0.0)}, row.where)


def _answer(row: Row, column: str) -> tuple[tuple[Message, ...], str]:
    """The messages before a response, if there are any, and its text."""
    value: Any = row[column]
    if not isinstance(value, list) or not value:
        return (), text_of(value, column, row.where)
    messages = messages_of(value, column, row.where)
    return messages[:-1], messages[-1].content


def _transcripts(row: Row) -> tuple[str, str]:
    """The chosen and the rejected transcript of a row."""
    if "text" not in row.values:
        return row.text("chosen"), row.text("rejected")
    texts = row["text"]
    if not isinstance(texts, list) or len(texts) != 2:
        raise DataError(f"{row.where}: text is {shown(texts)}; it must be a list of two transcripts, the chosen one first.")
    return text_of(texts[0], "text 1", row.where), text_of(texts[1], "text 2", row.where)


def _messages(transcript: str, where: str) -> tuple[Message, ...]:
    """The turns of a transcript as messages."""
    before, *parts = TURN.split(transcript)
    messages = tuple(
        Message(ROLES[role], content.strip()) for role, content in zip(parts[::2], parts[1::2], strict=True) if content.strip()
    )
    if before.strip() or not messages or messages[-1].role != "user":
        raise DataError(f"{where}: the prompt does not go from a 'Human:' to a 'Human:' turn, so it is no chat; use turns: text.")
    return messages
