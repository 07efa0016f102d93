"""Readers of lists: the contract itself, PKU-SafeRLHF, and rated responses such as HelpSteer's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from moft import DataError
from moft.api import PathOrName
from moft_llm.data.example import FORM, Example, Prompt, label_of, prompt_of, shown, text_of
from moft_llm.data.file_formats import Row
from moft_llm.data.pair_readers import HH, Pairs
from moft_llm.data.sources import rows


@dataclass(frozen=True)
class Lists:
    """Lists in the form of the contract: `prompt`, `responses` and, where anything was judged, `labels`.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of the hub.
    """

    path: PathOrName
    name: Literal["lists"] = "lists"

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every list, or those of a stored split.

        Raises:
            DataError: with file and line of the first fault.
        """
        return map(example_of, rows(self.path, split))


@dataclass(frozen=True)
class PkuSafeRLHF:
    """Pairs of PKU-SafeRLHF: `helpful` is 1 for the better response, `harmless` for the safer one, and 0 for the other.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of the hub.
        keep_unsafe: false leaves out pairs whose responses are both unsafe, about half of them.
    """

    path: PathOrName
    name: Literal["pku-saferlhf"] = "pku-saferlhf"
    keep_unsafe: bool = True

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every pair that is kept, or those of a stored split.

        Raises:
            DataError: with file and line of the first fault.
        """
        for row in rows(self.path, split):
            if not self.keep_unsafe and not (row["is_response_0_safe"] or row["is_response_1_safe"]):
                continue
            labels = {"helpful": _winner(row, "better_response_id"), "harmless": _winner(row, "safer_response_id")}
            responses = (row.text("response_0"), row.text("response_1"))
            yield Example(prompt_of(row["prompt"], row.where), responses, labels, row.where)


@dataclass(frozen=True)
class Rated:
    """One rated response a row; rows of the same prompt are a list, wherever they stand.

    Args:
        path: file or folder of .jsonl, .json or .parquet, or `owner/name` of the hub.
        prompt: column of the prompt.
        response: column of the response.
        labels: columns of ratings, each an objective; null for all that are numbers in the first row.
    """

    path: PathOrName
    name: Literal["rated"] = "rated"
    prompt: str = "prompt"
    response: str = "response"
    labels: list[str] | None = None

    def examples(self, split: str | None = None) -> Iterator[Example]:
        """Every list, or those of a stored split, in the order of their first rows.

        Raises:
            DataError: with file and line of the first fault.
        """
        lists: dict[Prompt, list[tuple[str, dict[str, float | None]]]] = {}
        places: dict[Prompt, str] = {}
        columns = self.labels
        for row in rows(self.path, split):
            if columns is None:
                columns = _rated_columns(row)
            prompt = prompt_of(row[self.prompt], row.where)
            places.setdefault(prompt, row.where)
            ratings = {column: label_of(row[column], column, row.where) for column in columns}
            lists.setdefault(prompt, []).append((row.text(self.response), ratings))
        for prompt, rated in lists.items():
            labels = {column: tuple(ratings[column] for _, ratings in rated) for column in columns or []}
            yield Example(prompt, tuple(response for response, _ in rated), labels, places[prompt])


Reader = Lists | PkuSafeRLHF | Rated | Pairs | HH


def example_of(row: Row) -> Example:
    """A list from a row of the contract.

    Raises:
        DataError: the row has another form, or labels that do not match its responses.
    """
    where = row.where
    if not {"prompt", "responses"} <= row.values.keys():
        raise DataError(f"{where}: has {', '.join(map(str, row.values)) or 'nothing'}; a list is {FORM}.")
    responses, labels = row["responses"], row.values.get("labels")
    if not isinstance(responses, list | tuple):
        raise DataError(f"{where}: responses is {shown(responses)}; it must be a list of texts.")
    if not isinstance(labels, Mapping | None):
        raise DataError(f"{where}: labels is {shown(labels)}; it must be an object with a list of numbers for each objective.")
    found: dict[str, tuple[float | None, ...]] = {}
    for name, values in (labels or {}).items():
        if values is None:
            continue
        if not isinstance(values, list | tuple) or len(values) != len(responses):
            got = f"{len(values)} labels" if isinstance(values, list | tuple) else shown(values)
            raise DataError(f"{where}: {name!r} has {got} for {len(responses)} responses; give a number or null for each.")
        found[name] = tuple(label_of(value, f"label {i} of {name!r}", where) for i, value in enumerate(values, start=1))
    texts = tuple(text_of(response, f"response {i}", where) for i, response in enumerate(responses, start=1))
    return Example(prompt_of(row["prompt"], where), texts, found, where)


def _winner(row: Row, column: str) -> tuple[float, float]:
    """Labels of a pair from the number of the response that won."""
    if row[column] not in (0, 1):
        raise DataError(f"{row.where}: {column} is {shown(row[column])}; it must be 0 or 1.")
    return (1.0, 0.0) if row[column] == 0 else (0.0, 1.0)


def _rated_columns(row: Row) -> list[str]:
    """The columns of a row that hold numbers."""
    found = [name for name, value in row.values.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    if not found:
        raise DataError(f"{row.where}: no column holds a number; name the ratings in labels. It has: {', '.join(row.values)}.")
    return found
