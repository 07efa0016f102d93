"""Reader of several data at once, whose lists are joined by prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from moft import ConfigError
from moft.api import Reader
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.any_reader import ListReader, examples_of, first_of
from moft_llm.data.readers.joined_lists import joined_by_prompt


@dataclass(frozen=True)
class Joined(ListReader):
    """What several readers give, with lists of the same prompt joined; a response that two of them have is one response.

    Lists that have a label of the same name are not joined, since these labels may not be comparable.

    Args:
        readers: two or more, such as one of ratings and one of preferences.
    """

    readers: list[Reader]
    name: Literal["joined"] = "joined"

    def __post_init__(self) -> None:
        if len(self.readers) < 2:
            raise ConfigError("[task.data.readers] has fewer than two readers, so there is nothing to join.")

    @property
    def places(self) -> list[str]:
        return [place for reader in self.readers for place in reader.places]

    def parts(self, split: str | None = None) -> list[Iterator[Example]]:
        return [examples_of(reader, split) for reader in self.readers]

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every list, or those of a stored split, in the order of their first rows.

        Raises:
            DataError: a row is malformed; the message names file and line.
        """
        return joined_by_prompt(super().examples(split))

    def first(self, split: str | None, count: int) -> Iterator[Example]:
        return chain.from_iterable(first_of(reader, split, count) for reader in self.readers)
