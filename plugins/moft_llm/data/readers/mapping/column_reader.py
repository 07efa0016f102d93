"""Reader of rows in a layout of their own: a config says in which columns prompt, responses and labels stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from moft import ConfigError, DataError
from moft.api import PathOrName
from moft_llm.data.chat.messages import Prompt, Response, messages_of, prompt_of, response_of
from moft_llm.data.files.dataset_files import rows
from moft_llm.data.files.file_formats import Row
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.any_reader import ListReader
from moft_llm.data.readers.grouped_rows import grouped_by_prompt
from moft_llm.data.readers.joined_lists import joined_by_prompt
from moft_llm.data.readers.mapping.label_mapping import LabelColumn, label_column
from moft_llm.data.readers.mapping.value_paths import check_format, fields_in, filled, path_of
from moft_llm.data.readers.transcripts import chat_of_transcript
from moft_llm.data.texts_and_labels import short_repr, text_of


@dataclass(frozen=True)
class Columns(ListReader):
    """Rows of any layout. Paths say where things stand: names with dots between them, `[*]` for every entry of a list, `[0]` for
    the first, `[-1]` for the last, `[:-1]` for all but the last.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of a dataset on the hub.
        labels: by name, the path to the labels, a list with a path or a number for each response, or a mapping of `path`, `kind`
            and more. In a name, `{path}` stands for the text at a path, such as a column that says what a row is about; then rows
            of the same prompt with different labels are joined.
        prompt: path to a text or messages; a text in which `{path}` stands for the text at a path; or a list of paths to prompts
            that must agree.
        responses: path to a list of responses, or a list with a path for each. A response is text or a message.
        response: path to the one response of a row, instead of `responses`; rows with the same prompt become one list.
        system: path to a text that becomes the first message of the prompt, unless it is empty.
        turns: `messages` makes a chat of a prompt with the turns `Human:` and `Assistant:`; `text` leaves it unchanged.
    """

    path: PathOrName
    labels: dict[str, str | list[str | float] | LabelColumn]
    name: Literal["columns"] = "columns"
    prompt: str | list[str] = "prompt"
    responses: str | list[str] | None = None
    response: str | None = None
    system: str | None = None
    turns: Literal["text", "messages"] = "text"

    def __post_init__(self) -> None:
        if (self.responses is None) == (self.response is None):
            raise ConfigError(
                "[task.data] needs either responses, the paths of all of a row, or response, the path of the only one."
            )
        if not self.labels or not self.prompt or self.responses == []:
            empty = "labels" if not self.labels else "prompt" if not self.prompt else "responses"
            raise ConfigError(f"[task.data.{empty}] is empty; give at least one path.")
        for paths in (self.prompt, self.responses, self.response, self.system):
            for path in paths if isinstance(paths, list) else [] if paths is None else [paths]:
                if paths is self.prompt and fields_in(path):
                    check_format(path)
                else:
                    path_of(path)
        for name, given in self.labels.items():
            check_format(name)
            label_column(given)

    @property
    def places(self) -> list[str]:
        return [self.path]

    def parts(self, split: str | None = None) -> list[Iterator[Example]]:
        return [map(self.example, rows(self.path, split))]

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every list, or those of a stored split.

        Raises:
            DataError: a row is malformed; the message names file and line.
        """
        examples = super().examples(split)
        if self.response is not None:
            return grouped_by_prompt(examples)
        return joined_by_prompt(examples) if any(map(fields_in, self.labels)) else examples

    def first(self, split: str | None, count: int) -> Iterator[Example]:
        found = super().first(split, count)
        return iter(()) if self.response is not None and list(found) else found

    def example(self, row: Row) -> Example:
        """The list of one row.

        Raises:
            DataError: the row is malformed, or a path finds nothing.
        """
        responses = self._responses(row)
        labels: dict[str, tuple[float | None, ...]] = {}
        for name, given in self.labels.items():
            if (found := self._label_name(name, row)) in labels:
                raise DataError(f"{row.where}: two labels are called {found!r} here; the name of the second is {name!r}.")
            labels[found] = label_column(given).labels(found, row, len(responses))
        return Example(self._prompt(row), responses, labels, row.where)

    def _prompt(self, row: Row) -> Prompt:
        paths = self.prompt if isinstance(self.prompt, list) else [self.prompt]
        given = [filled(path, row) if fields_in(path) else path_of(path).of(row) for path in paths]
        value = self._agreed(paths, given, row.where)
        if self.turns == "messages" and isinstance(value, str):
            value = [message.fields() for message in chat_of_transcript(value, row.where)]
        system = None if self.system is None else path_of(self.system).of(row)
        if system is not None and (text := text_of(system, str(self.system), row.where)).strip():
            value = [{"role": "user", "content": value}] if isinstance(value, str) else value
            if isinstance(value, list) and value and isinstance(value[0], Mapping) and value[0].get("role") == "system":
                raise DataError(f"{row.where}: the prompt begins with a system message, so {self.system} would be a second one.")
            value = [{"role": "system", "content": text}, *value] if isinstance(value, list) else value
        return prompt_of(value, row.where, row.values.get("tools"))

    def _agreed(self, paths: list[str], given: list[Any], where: str) -> Any:
        """The prompt that all paths lead to; a text has to be the first or the last message of a user in a chat."""
        place = next((number for number, value in enumerate(given) if isinstance(value, list)), 0)
        for number, value in enumerate(given):
            if not _agree(given[place], value, paths[number], where):
                raise DataError(
                    f"{where}: the prompts disagree: {paths[place]} is {short_repr(given[place])}, but {paths[number]} is "
                    f"{short_repr(value)}."
                )
        return given[place]

    def _responses(self, row: Row) -> tuple[Response, ...]:
        if self.response is not None:
            return (response_of(path_of(self.response).of(row), self.response, row.where),)
        if isinstance(self.responses, list):
            return tuple(response_of(path_of(path).of(row), path, row.where) for path in self.responses)
        value = path_of(self.responses or "").of(row)
        if not isinstance(value, list | tuple):
            raise DataError(
                f"{row.where}: {self.responses} is {short_repr(value)}; it must be a list. If a row has one response, set "
                f"response: {self.responses}; if each has a column, list them."
            )
        return tuple(response_of(inner, f"{self.responses} ({i})", row.where) for i, inner in enumerate(value, start=1))

    def _label_name(self, name: str, row: Row) -> str:
        found = filled(name, row).strip()
        if not found:
            raise DataError(f"{row.where}: the label {name!r} has no name here; every row needs one.")
        return found


def _agree(prompt: Any, other: Any, path: str, where: str) -> bool:
    """Whether two prompts are the same, or one is the text of a message of the other."""
    if isinstance(prompt, list) and isinstance(other, list):
        return messages_of(prompt, path, where) == messages_of(other, path, where)
    if isinstance(prompt, list) and isinstance(other, str):
        users = [message.content.strip() for message in messages_of(prompt, path, where) if message.role == "user"]
        return other.strip() in (*users[:1], *users[-1:])
    return bool(prompt == other)
