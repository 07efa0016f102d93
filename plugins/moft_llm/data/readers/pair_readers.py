"""Readers of pairs of a chosen and a rejected response: two columns, or the transcripts of Anthropic's HH."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from moft import ConfigError, DataError
from moft.api import PathOrName
from moft_llm.data.chat.messages import Message, Prompt, Response, messages_of, prompt_of, response_of
from moft_llm.data.files.dataset_files import rows
from moft_llm.data.files.file_formats import Row
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.any_reader import ListReader
from moft_llm.data.readers.joined_lists import joined_by_prompt
from moft_llm.data.readers.transcripts import LAST, chat_of_transcript
from moft_llm.data.texts_and_labels import one_line, short_repr, text_of

OBJECTIVE = "preferred"
"""Of pairs, where the config names none."""


@dataclass(frozen=True)
class Pairs(ListReader):
    """One chosen and one rejected response per row, labelled 1 and 0 for one objective.

    A response is text, a message, or a list of messages. Then the last message is the response, and those before it are the
    prompt.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of a dataset on the hub.
        paths: instead of `path`, one for each objective, by its name; rows of the same prompt are joined.
        objective: name of the labels, where there is one path.
        prompt: column of the prompt, where the responses are text; null where both texts begin with it.
        chosen: column of the preferred response.
        rejected: column of the other response.
    """

    path: PathOrName | None = None
    name: Literal["pairs"] = "pairs"
    objective: str = OBJECTIVE
    prompt: str | None = "prompt"
    chosen: str = "chosen"
    rejected: str = "rejected"
    paths: dict[str, PathOrName] | None = None

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.paths):
            raise ConfigError("[task.data] pairs need either path, of one objective, or paths, by objective.")
        if self.paths and self.objective != OBJECTIVE:
            raise ConfigError("[task.data.objective] has no effect with paths, which name the objectives. Leave it out.")

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every pair, or those of a stored split.

        Raises:
            DataError: a row is malformed; the message names file and line.
        """
        pairs = super().examples(split)
        return joined_by_prompt(pairs) if self.paths else pairs

    @property
    def places(self) -> list[str]:
        return list(self.paths.values()) if self.paths else [self.path or ""]

    def parts(self, split: str | None = None) -> list[Iterator[Example]]:
        paths = self.paths or {self.objective: self.path or ""}
        return [self._pairs(objective, path, split) for objective, path in paths.items()]

    def _pairs(self, objective: str, path: str, split: str | None) -> Iterator[Example]:
        """The pairs of one objective."""
        for row in rows(path, split):
            (before, chosen), (before_rejected, rejected) = (_response(row, name) for name in (self.chosen, self.rejected))
            if before != before_rejected:
                self._refuse_pair(before, before_rejected, row.where)
            if before and self.prompt is not None and row.values.get(self.prompt) is not None:
                before = self._longer(row[self.prompt], before, row.where)
            given: Any = [message.fields() for message in before]
            if not before and self.prompt is None:
                given, chosen, rejected = self._cut(chosen, rejected, row.where)
            elif not before and self.prompt is not None:
                given = row[self.prompt]
            prompt = prompt_of(given, row.where, row.values.get("tools"))
            yield Example(prompt, (chosen, rejected), {objective: (1.0, 0.0)}, row.where)

    def _cut(self, chosen: Response, rejected: Response, where: str) -> tuple[str, str, str]:
        """The words that two texts begin with, and what follows in each."""
        if not isinstance(chosen, str) or not isinstance(rejected, str):
            raise DataError(f"{where}: {self.chosen} and {self.rejected} have no prompt; name its column in prompt.")
        shared = os.path.commonprefix([chosen, rejected])  # noqa: RUF071 - of characters
        end = max((place for place, character in enumerate(shared) if character.isspace()), default=0)
        if not shared[:end].strip():
            raise DataError(
                f"{where}: {self.chosen} and {self.rejected} begin with different words, so they hold no prompt. Name its column "
                "in prompt."
            )
        return shared[:end], chosen[end:], rejected[end:]

    def _refuse_pair(self, before: Sequence[Message], other: Sequence[Message], where: str) -> NoReturn:
        """Says why a pair of chats has no common prompt."""
        both, shared = (
            f"{self.chosen} and {self.rejected}",
            next(
                (i for i, pair in enumerate(zip(before, other, strict=False)) if pair[0] != pair[1]), min(len(before), len(other))
            ),
        )
        if any(message.role == "assistant" for message in (*before[shared:], *other[shared:])):
            raise DataError(
                f"{where}: {both} differ from message {shared + 1} on, which is not their last. All tokens of a response are "
                "trained, so it must be one message of the assistant; calls and results of tools before it must be shared."
            )
        raise DataError(f"{where}: {both} begin with different messages; a pair must have one prompt.")

    def _longer(self, value: Any, before: tuple[Message, ...], where: str) -> tuple[Message, ...]:
        """What chats begin with, or the column of the prompt where it has messages before those, such as that of the system.

        Raises:
            DataError: the two disagree; a text has to be a message of the user.
        """
        if isinstance(value, str):
            users = [message.content.strip() for message in before if message.role == "user"]
            if value.strip() in (*users[:1], *users[-1:], ""):
                return before
        elif isinstance(value, list):
            chats = sorted((before, messages_of(value, str(self.prompt), where)), key=len)
            if chats[1][len(chats[1]) - len(chats[0]) :] == chats[0]:
                return chats[1]
        raise DataError(
            f"{where}: {self.prompt} is {short_repr(value)}, but {self.chosen} begins with other messages. Remove one of the two."
        )


@dataclass(frozen=True)
class HH(ListReader):
    """Pairs of transcripts with turns `Human:` and `Assistant:`; one file for each objective.

    A row has `text`, a list of the chosen and the rejected transcript, or columns `chosen` and `rejected`. The prompt is what
    both share, up to the last `Assistant:`; the rest of each is a response. They are labelled 1 and 0 for the objective of the
    file, and not labelled for the others.

    Args:
        paths: by objective, a file or folder of .jsonl, .json or .parquet, or `owner/name` of a dataset on the hub.
        turns: `text` takes the prompt unchanged; `messages` makes it a chat, for a chat template.
    """

    paths: dict[str, PathOrName]
    name: Literal["hh"] = "hh"
    turns: Literal["text", "messages"] = "text"

    def __post_init__(self) -> None:
        if not self.paths:
            raise ConfigError("[task.data.paths] is empty; give at least one file, such as helpful: helpful.json.")

    @property
    def places(self) -> list[str]:
        return list(self.paths.values())

    def parts(self, split: str | None = None) -> list[Iterator[Example]]:
        return [self._pairs(objective, path, split) for objective, path in self.paths.items()]

    def _pairs(self, objective: str, path: str, split: str | None) -> Iterator[Example]:
        for row in rows(path, split):
            chosen, rejected = _transcripts(row)
            end = os.path.commonprefix([chosen, rejected]).rfind(LAST) + len(LAST)  # noqa: RUF071 - of characters
            if end < len(LAST):
                raise DataError(
                    f"{row.where}: the transcripts share no text up to an 'Assistant:', so they have no common prompt."
                )
            prompt: Prompt = chosen[:end]
            responses = (chosen[end:], rejected[end:])
            if self.turns == "messages":
                prompt, responses = (
                    chat_of_transcript(chosen[: end - len(LAST)], row.where),
                    (responses[0].strip(), responses[1].strip()),
                )
            yield Example(prompt, responses, {objective: (1.0, 0.0)}, row.where)


def _response(row: Row, column: str) -> tuple[tuple[Message, ...], Response]:
    """The messages before a response, if there are any, and the response."""
    value: Any = row[column]
    if isinstance(value, Mapping):
        return (), response_of(value, column, row.where)
    if not isinstance(value, list) or not value:
        return (), text_of(value, column, row.where)
    *before, last = messages_of(value, column, row.where)
    if before and last.role != "assistant":
        raise DataError(
            f"{row.where}: the last message of {column} has the role {one_line(last.role)}; it is the response, so it must be a "
            "message of the assistant."
        )
    return tuple(before), response_of([value[-1]], column, row.where)


def _transcripts(row: Row) -> tuple[str, str]:
    """The chosen and the rejected transcript of a row."""
    if "text" not in row.values:
        return row.text("chosen"), row.text("rejected")
    texts = row["text"]
    if not isinstance(texts, list) or len(texts) != 2:
        raise DataError(f"{row.where}: text is {short_repr(texts)}; it must be a list of two transcripts, the chosen one first.")
    return text_of(texts[0], "text 1", row.where), text_of(texts[1], "text 2", row.where)
