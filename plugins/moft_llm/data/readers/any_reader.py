"""What the readers of moft have in common: they give checked lists, and the files that these stand in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from moft.api import LabelledTexts, Reader, failing_as
from moft_llm.data.chat.messages import Message, prompt_json, tools_in
from moft_llm.data.files.file_formats import Row
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.list_rows import example_of


class ListReader(ABC):
    """Reads rows of files, folders or datasets on the hub."""

    @property
    @abstractmethod
    def places(self) -> Sequence[str]:
        """What is read."""

    @abstractmethod
    def parts(self, split: str | None = None) -> list[Iterator[Example]]:
        """The rows of each place as lists, before any are joined.

        Args:
            split: name of a stored split; None for everything.

        Raises:
            DataError: a row is malformed; the message names file and line.
        """

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every list, or those of a stored split.

        Raises:
            DataError: a row is malformed; the message names file and line.
        """
        return chain.from_iterable(self.parts(split))

    def first(self, split: str | None, count: int) -> Iterator[Example]:
        """The lists of the first rows of each place; none where a row holds one response, which is checked only.

        Raises:
            DataError: one of these rows is malformed.
        """
        for part in self.parts(split):
            yield from islice(part, count)

    def lists(self, split: str | None) -> Iterator[LabelledTexts]:
        """The same as JSON has them; see `Reader`."""
        for example in self.examples(split):
            responses = [response.fields() if isinstance(response, Message) else response for response in example.responses]
            prompt, tools = prompt_json(example.prompt), tools_in(example.prompt)
            yield LabelledTexts(example.where, prompt, responses, example.labels, tools)


def examples_of(reader: Reader, split: str | None = None) -> Iterator[Example]:
    """The lists of any reader, checked.

    Raises:
        DataError: one is malformed.
        PluginError: the reader fails.
    """
    return reader.examples(split) if isinstance(reader, ListReader) else _checked(reader, split)


def first_of(reader: Reader, split: str | None, count: int) -> Iterator[Example]:
    """The first lists of any reader, as `ListReader.first`.

    Raises:
        DataError: one is malformed.
        PluginError: the reader fails.
    """
    return reader.first(split, count) if isinstance(reader, ListReader) else islice(examples_of(reader, split), count)


def _checked(reader: Reader, split: str | None) -> Iterator[Example]:
    with failing_as(f"the reader {type(reader).__name__} failed"):
        for found in reader.lists(split):
            labels = {name: list(values) for name, values in found.labels.items()}
            prompt = found.prompt if isinstance(found.prompt, str) else list(found.prompt)
            row = {"prompt": prompt, "responses": list(found.responses), "labels": labels, "tools": found.tools}
            yield example_of(Row(found.where, row))
