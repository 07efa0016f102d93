"""Readers of prompts with labelled responses: moft's own format, PKU-SafeRLHF, and rated responses such as HelpSteer's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from moft import DataError
from moft.api import PathOrName
from moft_llm.data.chat.messages import prompt_of, response_of
from moft_llm.data.files.dataset_files import rows
from moft_llm.data.files.file_formats import Row
from moft_llm.data.preference_example import Example
from moft_llm.data.readers.any_reader import ListReader
from moft_llm.data.readers.grouped_rows import grouped_by_prompt
from moft_llm.data.readers.list_rows import example_of
from moft_llm.data.texts_and_labels import label_of, short_repr


@dataclass(frozen=True)
class Lists(ListReader):
    """Rows with `prompt`, `responses` and, where responses are labelled, `labels`; and `tools` where the assistant has some.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of a dataset on the hub.
    """

    path: PathOrName
    name: Literal["lists"] = "lists"

    @property
    def places(self) -> list[str]:
        return [self.path]

    def parts(self, split: str | None = None) -> list[Iterator[Example]]:
        return [map(example_of, rows(self.path, split))]


@dataclass(frozen=True)
class PkuSafeRLHF(ListReader):
    """Pairs of PKU-SafeRLHF. `helpful` is 1 for the better response, `harmless` for the safer one; the other response has 0.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of a dataset on the hub.
        keep_unsafe: false leaves out pairs of two unsafe responses, about half of all.
    """

    path: PathOrName
    name: Literal["pku-saferlhf"] = "pku-saferlhf"
    keep_unsafe: bool = True

    @property
    def places(self) -> list[str]:
        return [self.path]

    def parts(self, split: str | None = None) -> list[Iterator[Example]]:
        return [self._pairs(split)]

    def _pairs(self, split: str | None) -> Iterator[Example]:
        for row in rows(self.path, split):
            if not self.keep_unsafe and not (row["is_response_0_safe"] or row["is_response_1_safe"]):
                continue
            labels = {"helpful": _winner(row, "better_response_id"), "harmless": _winner(row, "safer_response_id")}
            responses = (row.text("response_0"), row.text("response_1"))
            yield Example(prompt_of(row["prompt"], row.where), responses, labels, row.where)


@dataclass(frozen=True)
class Rated(ListReader):
    """One rated response per row; rows with the same prompt belong together, wherever they are.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of a dataset on the hub.
        prompt: column of the prompt.
        response: column of the response.
        labels: columns of ratings, one for each objective; null for all columns of the first row whose first value that is not
            null is a number.
    """

    path: PathOrName
    name: Literal["rated"] = "rated"
    prompt: str = "prompt"
    response: str = "response"
    labels: list[str] | None = None

    @property
    def places(self) -> list[str]:
        return [self.path]

    def parts(self, split: str | None = None) -> list[Iterator[Example]]:
        return [self._responses(split)]

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every prompt, or those of a stored split, in the order of their first rows.

        Raises:
            DataError: a row is malformed; the message names file and line.
        """
        return grouped_by_prompt(self._responses(split))

    def first(self, split: str | None, count: int) -> Iterator[Example]:
        for row in islice(rows(self.path, split), 1):  # which columns are ratings may take all rows to see
            for column in (self.prompt, self.response, *(self.labels or ())):
                row[column]
        return iter(())

    def _responses(self, split: str | None) -> Iterator[Example]:
        table = list(rows(self.path, split))
        columns = rated_columns(table) if self.labels is None else self.labels
        for row in table:
            yield self._rated(row, columns)

    def _rated(self, row: Row, columns: Sequence[str]) -> Example:
        """The one response of a row."""
        prompt = prompt_of(row[self.prompt], row.where, row.values.get("tools"))
        labels = {column: (label_of(row[column], column, row.where),) for column in columns}
        return Example(prompt, (response_of(row[self.response], self.response, row.where),), labels, row.where)


def _winner(row: Row, column: str) -> tuple[float, float]:
    """Labels of a pair, from the number of the preferred response."""
    if row[column] not in (0, 1):
        raise DataError(f"{row.where}: {column} is {short_repr(row[column])}; it must be 0 or 1.")
    return (1.0, 0.0) if row[column] == 0 else (0.0, 1.0)


def rated_columns(table: Sequence[Row]) -> list[str]:
    """The columns of the first row that hold numbers, or null and then numbers.

    Raises:
        DataError: there is none.
    """
    columns = []
    for name in table[0].values if table else ():
        first = next((row.values[name] for row in table if row.values.get(name) is not None), None)
        if isinstance(first, int | float) and not isinstance(first, bool):
            columns.append(name)
    if table and not columns:
        known = ", ".join(map(str, table[0].values))
        raise DataError(f"{table[0].where}: no column holds a number. Name the ratings in labels. Columns: {known}.")
    return columns
